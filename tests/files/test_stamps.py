"""A stamp changes with any file in a folder, and stays when nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unnoise.files.stamps import stamp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of chunks in folders, as a Zarr is one."""
    made = tmp_path / "a.zarr"
    for row in range(3):
        (made / "c" / str(row)).mkdir(parents=True)
        for column in range(3):
            (made / "c" / str(row) / str(column)).write_bytes(b"chunk")
    (made / "zarr.json").write_text("{}")
    return made


def _rewrite(path: Path) -> None:
    path.write_bytes(b"CHUNK")
    os.utime(path, ns=(1, 1))  # of the same size, and older than before


CHANGES: dict[str, Callable[[Path], object]] = {
    "a chunk is rewritten": lambda folder: _rewrite(folder / "c" / "1" / "2"),
    "a chunk is removed": lambda folder: (folder / "c" / "1" / "2").unlink(),
    "a chunk is added": lambda folder: (folder / "c" / "1" / "3").write_bytes(b""),
    "a chunk is renamed": lambda folder: (folder / "c" / "1" / "2").rename(folder / "c" / "1" / "3"),
    "a line of chunks is renamed": lambda folder: (folder / "c" / "1").rename(folder / "c" / "4"),
    "the description is rewritten": lambda folder: (folder / "zarr.json").write_text("{ }"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_in_a_folder_is_noticed(change: str, folder: Path) -> None:
    before = stamp(folder)
    assert stamp(folder) == before
    CHANGES[change](folder)
    assert stamp(folder) != before


def test_a_folder_that_is_renamed_keeps_its_stamp(folder: Path) -> None:
    """Results are written under another name, and renamed at the end."""
    before = stamp(folder)
    assert stamp(folder.rename(folder.with_name("b.zarr"))) == before
    assert stamp(folder) is None


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert stamp(path) is None
    path.write_bytes(b"12345")
    before = stamp(path)
    assert before == [5, path.stat().st_mtime_ns]
    os.utime(path, ns=(1, 1))
    assert stamp(path) not in (before, None)
    assert stamp(Path("a\0b")) is None
