"""What is written down of a run, and what is said when it cannot be."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from unnoise.errors import UnnoiseError
from unnoise.training.logs import FIELDS, Log, is_log, silence_tensorboard_thread


def _row(step: int) -> dict[str, Any]:
    return dict.fromkeys(FIELDS, 0.5) | {"step": step}


def test_a_run_that_goes_on_keeps_the_rows_before(tmp_path: Path) -> None:
    first = Log(tmp_path, 0)
    for step in (20, 40, 60):
        first.write(**_row(step))
    first.close()
    assert is_log(tmp_path / "log.csv")
    second = Log(tmp_path, 40)
    second.write(**_row(50))
    second.close()
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["step", "20", "40", "50"]


@pytest.mark.parametrize("content", [b"mine,and,yours\n1,2,3\n", b"\xff\xfe\x00", b""])
def test_a_log_that_is_none_of_ours_does_not_stop_a_run(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    assert not is_log(tmp_path / "log.csv")
    Log(tmp_path, 3).close()
    assert (tmp_path / "log.csv").read_text().strip() == ",".join(FIELDS)


@pytest.mark.parametrize(
    "damage", ["step,step,x,,", "9" * 5000 + ",1,1,1,1,1", "30,1,1,1,1,1,7,8", "30,1", "a\0b,1,1,1,1,1", "30," + "1" * 200_000]
)
def test_a_damaged_log_does_not_stop_a_run_that_goes_on(damage: str, tmp_path: Path) -> None:
    """Wherever the damage is: in the first line, between rows, or at the end."""
    for place in range(3):
        lines = [",".join(FIELDS), "20,1,1,1,1,1", "40,1,1,1,1,1"]
        lines[place : place + (place == 0)] = [damage]
        (tmp_path / "log.csv").write_text("\n".join(lines))
        Log(tmp_path, 40).close()
        kept = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
        assert kept[0] == list(FIELDS)
        assert {line[0] for line in kept[1:]} <= {"20", "40"}
        assert all(len(line) == len(FIELDS) for line in kept)
        if len(damage) < 10_000:
            assert len(kept) == 3


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_on(log: Log) -> None:
    """The thread fails at some time after the row was given to it."""
    for step in range(100):
        log.write(**_row(step))
        time.sleep(0.01)


def test_no_room_for_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path, 0)
    monkeypatch.setattr(log._csv, "writerow", _full)
    with pytest.raises(UnnoiseError, match=rf"The log in {tmp_path} cannot be written: No space left on device; free"):
        log.write(**_row(1))
    log.close()


def test_no_room_for_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread would print a traceback of its own."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    with silence_tensorboard_thread():
        log = Log(tmp_path, 0)
        monkeypatch.setattr(RecordWriter, "write", _full)
        with pytest.raises(UnnoiseError, match="No space left on device"):
            _write_on(log)
        log.close()
        assert not told
        thread = threading.Thread(target=_full)
        thread.start()
        thread.join()
    assert len(told) == 1  # of others all is told
