"""Camera formats: raw files are developed, HEIC is read and written, and a missing library gives a clear error."""

from __future__ import annotations

import os
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from images.exif_blocks import exif_block
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Metadata, Picture, find_pictures, raw, read, result_name, write

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" rating="5"/>'


def grey_dng(path: Path, pixels: np.ndarray, white: float | None = None) -> Path:
    """A raw file of a camera without colours: each pixel has one value (LinearRaw). (DNG 1.4.)"""
    extra: list[Any] = [
        (271, 2, None, "Maker", True),
        (272, 2, None, "Monochrom", True),
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, None, "Maker Monochrom", True),
        (50714, 5, 1, (0, 1), True),
    ]
    if white:
        extra.append((50717, 4, 1, round(white), True))
    elif pixels.dtype.kind == "u":
        extra.append((50717, 4, 1, 65535, True))
    with tifffile.TiffWriter(path) as file:
        options: Any = {"photometric": "minisblack", "metadata": None, "extratags": extra, "software": False}
        file.write(pixels, **options)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[262].overwrite(34892)
    return path


def dng(path: Path, mosaic: np.ndarray) -> Path:
    """A raw file of a camera with an RGGB mosaic, 16 bits, black 0, white 65535, whose colours are sRGB's. (DNG 1.4.)"""
    matrix = (32405, -15372, -4985, -9693, 18760, 416, 556, -2040, 10572)  # XYZ to linear sRGB, in ten thousandths
    rational = [number for value in matrix for number in (value, 10000)]
    extra = [
        (271, 2, None, "Maker", True),
        (272, 2, None, "Model", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, None, "Maker Model", True),
        (50714, 5, 1, (0, 1), True),
        (50717, 4, 1, 65535, True),
        (50721, 10, 9, tuple(rational), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
        (700, 1, len(XMP), XMP, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, metadata=None, extratags=extra, software=False)
    return path


def test_raw_is_developed_to_16_bits(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="camera raw needs the extra raw")
    rows, _ = np.mgrid[:128, :192]
    path = dng(tmp_path / "a.dng", (rows * 500).astype(np.uint16))
    picture = read(path)
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.shape[2] == 3
    assert abs(picture.pixels.shape[0] - 128) <= 8
    assert picture.metadata.icc
    middle = picture.pixels[20:-20, 96].astype(float) / 65535
    assert (np.abs(middle - middle.mean(1, keepdims=True)) < 0.02).all()  # grey in, grey out
    linear = np.where(middle <= 0.04045, middle / 12.92, ((middle + 0.055) / 1.055) ** 2.4)[:, 1]
    slope = np.diff(linear)
    assert slope.mean() == pytest.approx(500 / 65535, rel=0.02)  # no brightening, sRGB's curve
    assert len(np.unique(picture.pixels[..., 1])) > 110  # no banding to 8 bits
    write(tmp_path / "a.tif", picture)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].tags[271].value == "Maker"
        assert not {33421, 33422, 50706} & {tag.code for tag in file.pages[0].tags}
        assert file.pages[0].tags[700].value == XMP
        assert file.pages[0].iccprofile == picture.metadata.icc


def test_raw_by_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="camera raw needs the extra raw")
    path = dng(tmp_path / "a.dng", np.full((128, 192), 20000, np.uint16))
    pixels = read(path).pixels
    try:
        other = path.rename(tmp_path / os.fsdecode(b"caf\xe9.dng"))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    np.testing.assert_array_equal(read(other).pixels, pixels)


def test_raw_is_found_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "a.NEF").write_bytes(b"MM\0*")
    assert find_pictures([tmp_path]) == [tmp_path / "a.NEF"]
    assert result_name("a.NEF") == "a.tif"
    assert result_name("b.png") == "b.png"
    with pytest.raises(UsageError, match=r"b\.dng would be a DNG, which is made of camera raw alone; write \.tif instead"):
        write(tmp_path / "b.dng", Picture(np.zeros((2, 3), np.uint8)))


def test_damaged_raw(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="camera raw needs the extra raw")
    (tmp_path / "a.cr3").write_bytes(b"\0\0\0\x18ftypcrx nothing else")
    with pytest.raises(UnnoiseError, match=r"a\.cr3 cannot be decoded \([^b]"):
        read(tmp_path / "a.cr3")


@pytest.mark.parametrize(("dtype", "bound"), [("uint8", 6), ("uint16", 1200)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_heic_keeps_shape_and_depth(tmp_path: Path, dtype: str, bound: int, channels: int) -> None:
    pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
    rows, columns = np.mgrid[:64, :80]
    pixels = np.stack([(rows * (c + 1) + columns) / (64 * (c + 1) + 80) for c in range(channels)], axis=-1)
    pixels = (pixels * np.iinfo(dtype).max).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    write(tmp_path / "a.heic", Picture(pixels, Metadata(exif_block())))
    again = read(tmp_path / "a.heic")
    assert (again.pixels.shape, again.pixels.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(again.pixels.astype(int) - pixels).max() <= bound
    (tmp_path / "b.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:-200])
    with pytest.raises(UnnoiseError, match=r"b\.heic cannot be decoded"):
        read(tmp_path / "b.heic")


@pytest.mark.parametrize(
    ("name", "start", "library", "extra"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow_heif", "heic"),
        ("a.nef", b"MM\0*", "rawpy", "raw"),
        ("a.zarr", None, "zarr", "zarr"),
    ],
)
def test_without_the_library_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: bytes | None, library: str, extra: str
) -> None:
    if start is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(start)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnnoiseError, match=rf"pip install '\.\[{extra}\]'"):
        read(tmp_path / name)


@pytest.mark.parametrize(("count", "words"), [(1, ""), (2, "another picture"), (3, "2 other pictures")])
def test_other_pictures_of_a_collection_are_named(tmp_path: Path, count: int, words: str) -> None:
    made = pillow_heif.HeifFile()
    for value in range(count):
        made.add_from_pillow(Image.fromarray(np.full((64, 48, 3), 50 * value, np.uint8)))
    made.save(tmp_path / "a.heic", quality=90, save_all=True)
    assert len(pillow_heif.open_heif(tmp_path / "a.heic")) == count
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        write(tmp_path / "b.tif", read(tmp_path / "a.heic"))
    expected = f"{tmp_path / 'b.tif'} does not hold all that its source does: {words} stays behind."
    assert [str(each.message) for each in said] == ([expected] if words else [])


def test_a_sequence_of_heic_is_refused_for_what_it_is(tmp_path: Path) -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    track = box(b"stsz", bytes(4) + struct.pack(">3I", 0, 2, 99) + bytes(4))
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        track = box(kind, track)
    (tmp_path / "a.heics").write_bytes(box(b"ftyp", b"hevc" + bytes(4) + b"hevc") + track + box(b"mdat", bytes(300)))
    with pytest.raises(UsageError, match=r"a\.heics is a sequence of 2 pictures in HEIC, which cannot be read; save"):
        read(tmp_path / "a.heics")


def test_a_page_that_is_its_own_successor_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = []

    class Circle:  # as tifffile reads it, but with an end
        def __init__(self, path: Path) -> None:
            self.pages = self.follow()

        def follow(self) -> Iterator[Any]:
            for number in range(10 * raw.MOST_PAGES):
                taken.append(number)
                yield SimpleNamespace(pages=None, photometric=None, dtype=None)

        def __enter__(self) -> Circle:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(tifffile, "TiffFile", Circle)
    assert raw.brightest_of_floats(tmp_path / "a.dng") is None
    assert len(taken) <= raw.MOST_PAGES
