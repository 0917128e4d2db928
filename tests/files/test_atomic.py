"""Files appear under their names whole or not at all, replace nothing but files and folders, and what a killed process left goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import temporary_names
from unnoise.files.atomic import atomic_write, preallocate

KILLED = """
import os, signal, sys
from pathlib import Path
from unnoise.files.atomic import atomic_write
begun = [atomic_write(Path(name)) for name in sys.argv[1:]]
for name, whole in zip(sys.argv[1:], begun):
    temporary = whole.__enter__()
    temporary.mkdir() if name.endswith("folder") else temporary.write_text("half")
    (temporary / "half").touch() if temporary.is_dir() else None
    print(temporary.name, flush=True)
if os.environ.get("WAIT"):
    sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208 - hidden files too


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(UsageError, match=f"{name} is a device or a pipe"), atomic_write(tmp_path / name):
            pytest.fail("nothing may be written")
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


@pytest.mark.parametrize("stem", ["a" * 251, "写" * 80, "a写" * 60, "é" * 125 + "a", "\udce9" * 251])
def test_every_name_that_the_file_system_takes(tmp_path: Path, stem: str) -> None:
    try:
        (tmp_path / f"{stem}.txt").touch()
    except OSError:
        pytest.skip("this file system does not take the name")
    (tmp_path / f"{stem}.txt").unlink()
    with atomic_write(tmp_path / f"{stem}.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == [f"{stem}.txt"]


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnnoiseError, match="File name too long"), atomic_write(tmp_path / ("x" * 256)):
        pytest.fail("nothing may be written")


def test_long_names_that_begin_alike_are_written_at_once(tmp_path: Path) -> None:
    with atomic_write(tmp_path / f"{'x' * 150}1.txt") as one, atomic_write(tmp_path / f"{'x' * 150}2.txt") as two:
        one.write_text("1")
        two.write_text("2")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["1", "2"]


def test_what_a_killed_process_left_of_the_same_target_goes(tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("a.txt", "b.txt", "x" * 120, "folder")]
    run = subprocess.run([sys.executable, "-c", KILLED, *targets], capture_output=True, text=True, check=False)
    left = run.stdout.split()
    assert len(left) == 4
    (tmp_path / f"{left[3]}.old").mkdir()
    for target in (targets[0], *targets[2:]):
        temporary_names._temporary_files_in.cache_clear()  # as in a new process
        with atomic_write(target) as temporary:
            if target.name == "folder":  # the old one that was put aside is its only copy until the new one is there
                assert names(tmp_path) == sorted([left[1], f"{left[3]}.old", "a.txt", "x" * 120])
                temporary.mkdir()
            else:
                temporary.write_text("whole")
    with atomic_write(targets[3]) as temporary:
        temporary.mkdir()
    assert names(tmp_path) == sorted([left[1], "a.txt", "x" * 120, "folder"])  # that of b.txt is another target's


def test_what_others_write_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that lives, and one of the same number on another machine."""
    command = [sys.executable, "-c", KILLED, tmp_path / "a.txt"]
    environment = os.environ | {"WAIT": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout
        assert other.stdin
        theirs = other.stdout.readline().strip()
        with atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("whole")
        assert names(tmp_path) == sorted([theirs, "a.txt"])
        other.stdin.close()
    temporary_names._temporary_files_in.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(temporary_names, "_machine_id", lambda: "0" * 8)
        with atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("whole")
        assert names(tmp_path) == sorted([theirs, "a.txt"])
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.txt"]


def test_a_number_that_no_process_has_is_not_ours(tmp_path: Path) -> None:
    odd = temporary_names.temporary_path(tmp_path / "a.txt").name.replace(f".{os.getpid()}-", f".{10**12}-")
    (tmp_path / odd).touch()
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == sorted([odd, "a.txt"])


def test_room_is_taken_at_once_or_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb+") as file:
        file.truncate(2**20)
        preallocate(file.fileno(), 2**20)
        assert not hasattr(os, "posix_fallocate") or os.fstat(file.fileno()).st_blocks * 512 >= 2**20
        with pytest.raises(OSError, match="No space left"):
            preallocate(file.fileno(), 2**60)
        assert os.fstat(file.fileno()).st_size == 2**20
