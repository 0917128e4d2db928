"""`--processes N`: the group of processes, and what is left of it when one of them fails or everything is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from unnoise.errors import UsageError
from unnoise.training import launch as launching
from unnoise.training.launch import LOST_STATUS, launch

SRC = Path(launching.__file__).parents[2]


def _group(count: int, *ranks: str) -> int:
    """Launch processes of which each runs the line of its rank, the last line being for all further ones."""
    script = "import os, signal, sys, time\nrank = int(os.environ['RANK'])\nexec(sys.argv[1:][min(rank, len(sys.argv) - 2)])"
    return launch(count, [sys.executable, "-c", script, *ranks])


def test_each_process_knows_its_place_and_finds_the_others(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = "RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT"
    line = (
        f"open({str(tmp_path)!r} + '/' + str(rank), 'w').write(' '.join(os.environ[n] for n in {names!r}.split())); print(rank)"
    )
    assert _group(3, line) == 0
    places = [(tmp_path / str(rank)).read_text().split() for rank in range(3)]
    assert [place[:4] for place in places] == [[str(rank), str(rank), "3", "127.0.0.1"] for rank in range(3)]
    assert len({place[4] for place in places}) == 1
    assert capfd.readouterr().out == "0\n"
    with pytest.raises(UsageError, match="not 0"):
        launch(0)


@pytest.mark.parametrize(
    ("first", "second", "status", "sentence"),
    [
        ("time.sleep(600)", "os.kill(os.getpid(), signal.SIGKILL)", 1, "unnoise: Process 1 of 2 was ended by SIGKILL"),
        (f"time.sleep(1); sys.exit({LOST_STATUS})", "sys.exit(3)", 1, "unnoise: Process 1 of 2 ended with exit status 3"),
        ("time.sleep(600)", "print('noise\\nunnoise: It is bad.', file=sys.stderr); sys.exit(2)", 2, "unnoise: It is bad."),
        ("print('unnoise: Own words.', file=sys.stderr); sys.exit(1)", "time.sleep(600)", 1, "unnoise: Own words."),
        ("os.abort()", "time.sleep(600)", 1, "unnoise: Process 0 of 2 was ended by SIGABRT"),
    ],
)
def test_when_one_dies_one_sentence_tells_why_and_the_others_end(
    first: str, second: str, status: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launching, "GRACE_SECONDS", 3.0)
    began = time.monotonic()
    assert _group(2, first, second) == status
    assert time.monotonic() - began < 30
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(sentence)


def _launcher(place: Path, line: str) -> subprocess.Popen[bytes]:
    """A launcher in a process of its own, whose two processes have begun `line`."""
    child = f"import os, signal, time; open({str(place)!r} + '/' + os.environ['RANK'], 'w').write(str(os.getpid())); {line}"
    program = f"import sys; from unnoise.training.launch import launch; sys.exit(launch(2, [sys.executable, '-c', {child!r}]))"
    # Where the tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        preexec_fn=heeds if os.name == "posix" else None,
    )
    while not all((place / rank).exists() and (place / rank).read_text() for rank in "01"):
        assert process.poll() is None
        time.sleep(0.1)
    return process


def _have_ended(place: Path) -> bool:
    numbers = [int((place / rank).read_text()) for rank in "01"]
    ends = time.monotonic() + 30
    while any(psutil.pid_exists(number) for number in numbers):
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def test_ctrl_c_reaches_all_and_gives_them_time_to_save(tmp_path: Path) -> None:
    saved = f"open({str(tmp_path)!r} + '/saved' + os.environ['RANK'], 'w'), os._exit(130)"
    line = f"signal.signal(signal.SIGINT, lambda *_: ({saved})); time.sleep(600)"
    process = _launcher(tmp_path, line)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert {path.name for path in tmp_path.glob("saved*")} == {"saved0", "saved1"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_launcher_leaves_no_process(tmp_path: Path) -> None:
    process = _launcher(tmp_path, "time.sleep(600)")
    process.kill()
    process.wait()
    assert _have_ended(tmp_path)
