"""A worker of a pool ends when it is told to, also while libvips calls Python, and prints nothing."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import suppress

import pytest

from callbacks import struck_in_a_callback
from unnoise.batch.pool_worker import READY, RESULT, serve


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows ends processes without a signal")
@pytest.mark.parametrize("tiles", [0, 1])
def test_a_stop_within_a_callback_of_libvips_ends_the_worker_in_silence(tiles: int, capfd: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("spawn")
    connection, other = context.Pipe()
    worker = context.Process(target=serve, args=(other, struck_in_a_callback, 1, 1), daemon=True)
    worker.start()
    other.close()
    assert connection.recv() == (READY,)
    connection.send((tiles, False))
    worker.join(30)
    assert worker.exitcode == 128 + signal.SIGTERM
    assert capfd.readouterr().err == ""
    told = []
    with suppress(EOFError):
        while True:
            told.append(connection.recv()[0])
    assert told == [] if tiles else [RESULT]  # its interrupt comes at the next tile, or after the job
