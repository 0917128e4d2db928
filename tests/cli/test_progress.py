"""Progress where standard error is no terminal."""

from __future__ import annotations

import _thread
import threading
import time
from typing import Any

import pytest

from unnoise.batch.threads import begin_thread
from unnoise.cli.progress import bar, files_bar


def test_a_bar_that_nobody_sees_starts_no_thread(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with bar("check") as tell:
        tell(1, 2)
        assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


def _no_thread(*_: Any) -> int:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("start", [lambda *_: 1, _no_thread], ids=["it has no memory and never runs", "it is refused"])
def test_a_thread_that_never_runs_holds_nobody_up(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`threading.Thread.start` would wait forever for the first one."""
    monkeypatch.setattr(_thread, "start_new_thread", start)
    began = time.monotonic()
    with files_bar():
        pass
    assert time.monotonic() - began < 10


def test_a_thread_says_that_it_has_ended() -> None:
    done: list[int] = []
    assert begin_thread(lambda: done.append(1)).wait(10)
    assert done == [1]
