"""One run at a time has a folder; a process that is killed gives it back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unnoise.errors import UnnoiseError
from unnoise.files import locking
from unnoise.files.locking import LOCK_NAME, FolderInUseError, check_unlocked, locked

HOLD = """
import sys, time
from pathlib import Path
from unnoise.files.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_process_holds_a_folder_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for attempt in (lambda: locked(tmp_path).__enter__(), lambda: check_unlocked(tmp_path)):
            with pytest.raises(FolderInUseError, match=rf"writes into {tmp_path} \(process {other.pid} on .+\); wait") as error:
                attempt()
            assert error.value.exit_status == 1
        other.kill()
        other.wait()
    assert (tmp_path / LOCK_NAME).exists()  # it had no time to remove it
    check_unlocked(tmp_path)
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_many_threads_have_it_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the file is removed and made anew all the time."""
    monkeypatch.setattr(locking, "WAIT_SECONDS", 60)
    inside, most, done = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(5):
            with locked(tmp_path):
                inside += 1
                most = max(most, inside)
                done += 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (1, 40)


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    with locked(tmp_path):
        assert (tmp_path / LOCK_NAME).exists()
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_lock_file_that_says_nothing(tmp_path: Path) -> None:
    with locked(tmp_path):
        for text in ("", "[]", '{"process": "x"}', "[" * 100_000):
            (tmp_path / LOCK_NAME).write_text(text)
            with pytest.raises(FolderInUseError, match="its process is not known"):
                check_unlocked(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_needs_no_lock(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with locked(tmp_path):
            assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o755)


def test_errors_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        def acquire(self: object, timeout: float) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("filelock.FileLock.acquire", acquire)

    import errno

    fail(errno.EROFS)
    with locked(tmp_path):
        pass
    fail(errno.ENOLCK)
    with pytest.raises(UnnoiseError, match=f"The folder {tmp_path} cannot be locked: {os.strerror(errno.ENOLCK)}; choose"):
        locked(tmp_path).__enter__()
