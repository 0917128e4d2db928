"""A library that ends its process costs one file, and is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from unnoise.errors import UnnoiseError
from unnoise.files import attempts
from unnoise.images import Picture, write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork, and no worker")

DENOISE = """
import os, signal, sys
from unnoise import images
opened = images.open
def crash(path, **options):
    if "bad" in str(path):
        os.kill(os.getpid(), signal.SIGSEGV)
    return opened(path, **options)
images.open = crash
from unnoise.cli import main
main()
"""
"""The command line, in which bad files end the process as a decoder would."""

WORKER = """
import os, signal, sys, time
from pathlib import Path
from unnoise.cli import worker
from unnoise.files import attempts
sys.argv = ["unnoise", "denoise"]
worker.run_in_worker()
{}
"""


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


def work(body: str) -> subprocess.CompletedProcess[str]:
    return run(WORKER.format(body))


def test_a_folder_goes_on_after_a_file_that_ends_the_process(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "bad1", "c", "bad2", "e"):
        write(folder / f"{name}.png", Picture(np.full((16, 16, 3), 99, np.uint8)))
    answer = run(DENOISE, "denoise", folder, "-o", out, "--model", "fast", "--overwrite")
    assert answer.returncode == 1, answer.stderr
    assert sorted(answer.stdout.split()) == [str(out / f"{name}.png") for name in "ace"]  # each once
    failures = [line for line in answer.stderr.splitlines() if "ended the process" in line]
    assert [line.split()[1] for line in failures] == [str(folder / "bad1.png"), str(folder / "bad2.png")]
    assert all("(SIGSEGV): it is damaged" in line for line in failures)
    assert "3 written, 2 failed." in answer.stderr
    assert "Traceback" not in answer.stderr
    results = {path.name for path in out.iterdir()}
    assert results == {"a.png", "c.png", "e.png", ".unnoise-manifest.json"}


@pytest.mark.parametrize(("body", "status"), [("sys.exit(3)", 3), ("pass", 0), ("raise ValueError", 1)])
def test_the_exit_status_is_the_workers(body: str, status: int) -> None:
    assert work(body).returncode == status


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"])
def test_a_crash_that_is_no_files_is_one_sentence(name: str) -> None:
    answer = work(f"os.kill(os.getpid(), signal.{name})")
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"unnoise: The command was ended by {name}, most likely since memory ran out; ")
    assert answer.stderr.count("\n") == 1


def test_a_file_that_ends_two_attempts_ends_the_command() -> None:
    body = "attempts.journal.note('begin', Path('a')); os.kill(os.getpid(), signal.SIGSEGV)"
    answer = work(body)
    assert answer.returncode == 1
    assert answer.stderr.count("The command was ended by SIGSEGV") == 1


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_worker_once(kind: signal.Signals) -> None:
    body = f"""
struck = []
signal.signal({int(kind)}, lambda *_: struck.append(1))
print("ready", flush=True)
while not struck:
    time.sleep(0.01)
time.sleep(0.2)
sys.exit(40 + len(struck))
"""
    code = f"import signal; signal.signal({int(kind)}, signal.SIG_DFL)\n" + WORKER.format(body)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(kind)
        assert process.wait(60) == 41


def test_a_worker_that_a_signal_stops_ends_its_parent_likewise() -> None:
    assert (
        work("signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)").returncode
        == -signal.SIGTERM
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process of its parent's end")
def test_the_worker_ends_with_its_parent() -> None:
    code = WORKER.format("print(os.getpid(), flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
    for _ in range(500):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.01)
    pytest.fail("it goes on")


def test_a_file_that_ended_an_attempt_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = attempts.Journal()
    monkeypatch.setattr(attempts, "journal", journal)
    with attempts.working_on(Path("a")):
        pass
    with pytest.raises(KeyError), attempts.working_on(Path("b")):
        raise KeyError
    assert journal.read() == ([Path("a")], None)
    journal.crashed[Path("b")] = "SIGKILL"
    sentence = r"^b ended the process that read it \(SIGKILL\): memory ran out"
    with pytest.raises(UnnoiseError, match=sentence), attempts.working_on(Path("b")):
        pass
    journal.clear()
    assert journal.read() == ([], None)
