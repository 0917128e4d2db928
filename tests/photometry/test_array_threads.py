"""Steps side by side: the same results in the same order, and no more threads for products of matrices."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from unnoise.inference.bounded_removal import bounded_removal
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.photometry import array_threads
from unnoise.photometry.array_threads import in_order, one_thread_a_product
from unnoise.regions import RegionSource

LIKE = np.zeros(1)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    count: int = request.param
    monkeypatch.setattr(array_threads, "thread_count", lambda: count)
    return count


def test_results_come_in_order_and_items_are_taken_in_the_callers_thread(threads: int) -> None:
    takers, workers = set(), set()
    done = 0

    def items() -> Iterator[int]:
        for number in range(20):
            assert number - done <= threads + 1  # never far ahead
            takers.add(threading.get_ident())
            yield number

    def square(number: int) -> int:
        workers.add(threading.get_ident())
        return number**2

    for place, found in enumerate(in_order(square, items(), LIKE)):
        assert found == place**2
        done = place + 1
    assert done == 20
    assert takers == {threading.get_ident()}
    assert (workers == takers) == (threads == 1)


def test_an_error_reaches_the_caller(threads: int) -> None:
    def fail(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = in_order(fail, range(5), LIKE)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_without_room_for_threads_the_caller_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(array_threads, "thread_count", lambda: 2)
    monkeypatch.setattr(threading.Thread, "start", no_room)
    assert list(in_order(lambda x: x + 1, range(4), LIKE)) == [1, 2, 3, 4]


def test_the_bound_is_the_same_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    noisy = (0.5 + 0.03 * generator.standard_normal((1, 3, 300, 400))).astype(np.float32)
    restored = np.full_like(noisy, 0.49)
    restored[..., 100:200, 100:200] = 0.3  # far too much was removed here
    noise = estimate_noise(RegionSource.of(noisy))
    assert noise is not None
    results = []
    for count in (1, 2, 5):
        monkeypatch.setattr(array_threads, "thread_count", lambda count=count: count)
        results.append(bounded_removal(noisy, restored, noise))
    assert abs(results[0][..., 120:180, 120:180].mean() - 0.5) < 0.01  # something was put back
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


def test_products_take_one_thread_within_and_as_many_as_before_after() -> None:
    found = array_threads._openblas()
    if found is None:
        pytest.skip("NumPy multiplies by another library here")
    get, set_ = found
    before = get()
    set_(2)
    try:
        with one_thread_a_product():
            assert get() == 1
            with one_thread_a_product():
                assert get() == 1
            assert get() == 1
        assert get() == 2
    finally:
        set_(before)
