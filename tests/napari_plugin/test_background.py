"""Long work in a thread: a step for each percent, errors and results where they are awaited, and an end when it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.errors import UnnoiseError
from unnoise.napari_plugin.background import PERCENT, StoppedError, start, stepwise


@given(st.lists(st.floats(0, 1.2), max_size=20))
def test_there_is_one_step_for_each_percent(shares: list[float]) -> None:
    def work(tell: Callable[[float], None]) -> int:
        for share in shares:
            tell(share)
        return len(shares)

    results: list[int] = []
    steps = stepwise(work)
    count = 0
    try:
        while True:
            next(steps)
            count += 1
    except StopIteration as end:
        results.append(end.value)
    assert count == PERCENT
    assert results == [len(shares)]


def test_an_error_reaches_the_one_who_waits() -> None:
    def work(tell: Callable[[float], None]) -> None:
        tell(0.3)
        raise UnnoiseError("The disk is full.")

    steps = stepwise(work)
    with pytest.raises(UnnoiseError, match="The disk is full"):
        for _ in steps:
            pass


def test_work_that_is_stopped_ends_at_its_next_word() -> None:
    ended = threading.Event()
    go_on = threading.Event()

    def work(tell: Callable[[float], None]) -> None:
        try:
            tell(0.5)
            go_on.wait(60)
            tell(0.6)
        except StoppedError:
            ended.set()
            raise

    steps = stepwise(work)
    next(steps)
    steps.close()
    go_on.set()
    assert ended.wait(60)


def test_without_a_window_the_result_comes_at_once() -> None:
    got: list[str] = []
    assert start(lambda: stepwise(lambda tell: "done"), "Counting", got.append) is None
    assert got == ["done"]
