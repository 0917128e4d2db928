"""Finding picture files in folders, and the error for a folder without pictures."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images import SUFFIXES, find_pictures, is_picture, read, result_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", "c.tiff", ".hidden.png", "notes.txt", "sub/d.npy", "sub/deep/e.webp", ".git/f.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(found: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def test_a_folder_stands_for_its_pictures_sorted_without_hidden_ones(folder: Path) -> None:
    assert names(find_pictures([folder]), folder) == ["a.jpg", "b.PNG", "c.tiff"]


def test_folders_below_are_searched_when_asked(folder: Path) -> None:
    found = find_pictures([folder], recursive=True)
    assert names(found, folder) == ["a.jpg", "b.PNG", "c.tiff", "sub/d.npy", "sub/deep/e.webp"]


def test_files_are_taken_as_they_are_in_their_order_and_once(folder: Path) -> None:
    given = [folder / "notes.txt", folder / "c.tiff", str(folder / ".hidden.png"), folder, folder / "c.tiff"]
    assert names(find_pictures(given), folder) == ["notes.txt", "c.tiff", ".hidden.png", "a.jpg", "b.PNG"]


def test_a_hidden_folder_that_is_named_is_searched(folder: Path) -> None:
    assert names(find_pictures([folder / ".git"]), folder) == [".git/f.png"]


def test_a_folder_without_pictures_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    for recursive in (False, True):
        with pytest.raises(UsageError, match=r"empty has no pictures.*\.png"):
            find_pictures([folder, folder / "empty"], recursive=recursive)


def test_a_path_that_does_not_exist_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no file or folder .*nowhere"):
        find_pictures([folder / "nowhere"])


def test_suffixes_tell_pictures() -> None:
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".heic", ".avif", ".npy"} <= set(SUFFIXES)
    assert all(is_picture(f"x{suffix.upper()}") for suffix in SUFFIXES)
    assert not any(is_picture(name) for name in ("x.txt", "png", "x.png.part", ".png", "x.pcx"))


def test_a_pattern_stands_for_the_files_it_fits(folder: Path) -> None:
    assert names(find_pictures([folder / "*.[jP]*"]), folder) == ["a.jpg", "b.PNG"]
    (folder / "odd[1].png").touch()
    assert names(find_pictures([folder / "odd[1].png"]), folder) == ["odd[1].png"]  # a name that only looks like a pattern
    with pytest.raises(UsageError, match="no file or folder"):
        find_pictures([folder / "*.nothing"])


def test_pipes_are_left_out_of_folders_and_refused_by_name(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert names(find_pictures([folder]), folder) == ["a.jpg", "b.PNG", "c.tiff"]
    with pytest.raises(UsageError, match=r"pipe\.png is a device or a pipe"):
        find_pictures([folder / "pipe.png"])


def test_links_in_a_circle_are_left_out(folder: Path) -> None:
    (folder / "circle.png").symlink_to("circle.png")
    assert names(find_pictures([folder]), folder) == ["a.jpg", "b.PNG", "c.tiff"]


def test_a_name_that_is_too_long_is_one_sentence(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.png cannot be reached: File name too long"):
        find_pictures([folder / f"{'x' * 252}.png"])


def test_a_locked_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may be run by root, to whom no folder is locked."""
    listed, looked = Path.iterdir, Path.stat

    def iterdir(self: Path) -> Iterator[Path]:
        if self.name == "sub":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(self)

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.parent.name == "sub":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return looked(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(UsageError, match=r"sub/d\.npy cannot be reached: Permission denied"):
        find_pictures([folder / "sub" / "d.npy"])
    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(UsageError, match=r"The folder .*sub cannot be read: Permission denied"):
        find_pictures([folder], recursive=True)
    assert names(find_pictures([folder]), folder) == ["a.jpg", "b.PNG", "c.tiff"]


def test_pictures_that_cannot_be_read_are_mentioned(folder: Path) -> None:
    for name in ("d.dds", "e.QOI", "f.qoi", "sub/g.pcx", "h.xmp"):
        (folder / name).touch()
    with pytest.warns(
        UnnoiseWarning, match=r"holds 3 pictures of kinds that cannot be read, left out here: 1 \.dds, 2 \.qoi\.$"
    ):
        find_pictures([folder])
    with pytest.warns(UnnoiseWarning, match=r"holds 4 pictures .* 1 \.dds, 1 \.pcx, 2 \.qoi\.$"):
        find_pictures([folder], recursive=True)


@pytest.mark.parametrize("name", ["a.HIF", "a.btf", "a.svs", "a.stk", "a.lsm"])
def test_suffixes_of_cameras_and_microscopes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_pictures([tmp_path]) == [tmp_path / name]
    assert result_name(name) == (name if name in ("a.HIF", "a.btf") else "a.tif")


@pytest.mark.parametrize("name", ["a.HIF", "a.svs", "a.something", "a"])
def test_the_content_decides_and_not_the_suffix(tmp_path: Path, name: str) -> None:
    pixels = np.arange(120, dtype=np.uint16).reshape(10, 12)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    (tmp_path / "a.tif").rename(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name).pixels, pixels, strict=True)


def test_netcdf_3_is_refused_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\1" + bytes(100))
    with pytest.raises(UsageError, match=r"a\.nc is NetCDF 3, which cannot be read; convert it to NetCDF 4"):
        read(tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("start", "name", "words"),
    [
        (b"<!DOCTYPE html><p>not found", "a.jpg", "ends in .jpg but is a web page, which is not supported"),
        (b"%PDF-1.4", "a.png", "ends in .png but is a PDF, "),
        (b"\0\0\0\x18ftypisom", "a.heic", "is a video"),
        (b"PK\3\4", "a.tif", "is a ZIP archive"),
        (imagecodecs.jpegxr_encode(np.zeros((16, 16), np.uint8)), "a.tif", "is JPEG XR"),
    ],
)
def test_other_files_are_named(tmp_path: Path, start: bytes, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(start + bytes(600))
    with pytest.raises(UnnoiseError, match=words) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
