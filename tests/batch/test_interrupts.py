"""An interrupt that a library dropped is raised at the next check."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from callbacks import call_as_pyvips_does
from unnoise.batch.interrupts import kept_interrupts, raise_interrupt, stop_by_signals


@pytest.fixture(autouse=True)
def _python_s_own_handler() -> Iterator[None]:
    """A shell that starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _swallow_one_and_check() -> None:
    with kept_interrupts() as check:
        check()
        with suppress(KeyboardInterrupt):  # as a callback of C code would
            signal.raise_signal(signal.SIGINT)
        check()
        pytest.fail("the interrupt was lost")


def test_a_swallowed_interrupt_comes_up_again_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _swallow_one_and_check()
    assert signal.getsignal(signal.SIGINT) is before


def test_one_swallowed_after_the_last_check_is_not_lost_either() -> None:
    with pytest.raises(KeyboardInterrupt), kept_interrupts(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_other_signals_that_end_a_program_are_kept_likewise() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        stop_by_signals()
        with pytest.raises(KeyboardInterrupt), kept_interrupts(), suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is raise_interrupt
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop_by_signals()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    def run() -> None:
        with kept_interrupts() as check:
            check()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with kept_interrupts() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)


def _strike_within(name: str) -> None:
    with kept_interrupts() as check:
        call_as_pyvips_does(name, lambda: signal.raise_signal(signal.SIGINT))
        check()
        pytest.fail("the interrupt was lost")


@pytest.mark.parametrize("name", ["_marshal_read", "_log_handler_callback"])
def test_nothing_is_raised_where_libvips_calls_python(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be dropped there, and its traceback printed."""
    with pytest.raises(KeyboardInterrupt):
        _strike_within(name)
    assert capsys.readouterr().err == ""


def test_a_signal_within_a_callback_comes_again_where_nobody_checks(capsys: pytest.CaptureFixture[str]) -> None:
    stop_by_signals([signal.SIGINT])
    ended = threading.Event()

    def wait() -> None:
        call_as_pyvips_does("_marshal_read", lambda: signal.raise_signal(signal.SIGINT))
        ended.set()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert ended.is_set()
    assert capsys.readouterr().err == ""


def test_the_handler_of_a_command_is_kept_likewise_and_put_back() -> None:
    stop_by_signals([signal.SIGINT])
    with pytest.raises(KeyboardInterrupt), kept_interrupts(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is raise_interrupt
