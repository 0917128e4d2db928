"""What lies at a path, and one sentence where it cannot be told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unnoise.errors import UsageError
from unnoise.files.paths import path_kind, refuse_device


def test_files_folders_and_what_is_neither(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("gone")
    os.mkfifo(tmp_path / "pipe")
    found = {
        name: path_kind(tmp_path / name) for name in ("file", "link", "circle", "nowhere", "gone", "file/below", "pipe", ".")
    }
    assert found == {
        "file": "file",
        "link": "file",
        "circle": None,
        "nowhere": None,
        "gone": None,
        "file/below": None,
        "pipe": "device",
        ".": "folder",
    }
    with pytest.raises(UsageError, match="pipe is a device or a pipe"):
        refuse_device(tmp_path / "pipe")


@pytest.mark.parametrize(("name", "reason"), [("x" * 256, os.strerror(errno.ENAMETOOLONG)), ("a\0b", "null")])
def test_names_that_no_file_can_have(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be reached: .*{reason}"):
        path_kind(tmp_path / name)


def test_a_locked_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(UsageError, match=r"locked/a\.png cannot be reached: Permission denied; check"):
        path_kind(Path("locked/a.png"))
