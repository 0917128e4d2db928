"""JPEGs of 12 bits, and without loss, as medical devices write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from images.exif_blocks import exif_block
from images.test_stacks import copy
from unnoise.errors import UnnoiseError
from unnoise.images import damage, jpeg, read

imagecodecs: Any = pytest.importorskip("imagecodecs")


def scene(bits: int, channels: int) -> np.ndarray:
    rows, columns = np.mgrid[:48, :80]
    ramps = np.stack([rows / 47, columns / 79, (rows + columns) / 126], axis=-1)[..., :channels]
    noise = np.random.default_rng(0).normal(0, 0.02, ramps.shape)
    pixels = np.rint((ramps + noise).clip(0, 1) * (2**bits - 1)).astype("uint8" if bits <= 8 else "uint16")
    return pixels[..., 0] if channels == 1 else pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (8, True), (12, True), (16, True)])
def test_rare_jpegs_come_back_as_they_were(tmp_path: Path, bits: int, lossless: bool, channels: int) -> None:
    pixels = scene(bits, channels)
    encoded = imagecodecs.jpeg8_encode(pixels, level=90, bitspersample=bits, lossless=lossless)
    exif = jpeg.segment(0xE1, b"Exif\0\0" + exif_block(">"))
    (tmp_path / "a.jpg").write_bytes(encoded[:2] + exif + encoded[2:])
    stored = imagecodecs.jpeg8_decode(encoded)
    picture = read(tmp_path / "a.jpg")
    assert picture.layout.colours == ("grey" if channels == 1 else "rgb")
    white = np.iinfo(picture.dtype).max
    np.testing.assert_array_equal(picture.pixels, np.rint(stored / (2**bits - 1) * white))
    assert picture.metadata.exif == exif_block(">")
    copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert exif in data
    again = imagecodecs.jpeg8_decode(data)
    assert again.dtype == stored.dtype
    assert jpeg.kind(data) == (bits, lossless)
    if lossless:
        np.testing.assert_array_equal(again, stored)
    else:
        assert np.abs(again.astype(int) - stored).mean() < np.abs(stored.astype(int) - pixels).mean()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnnoiseError, match=r"cut\.jpg cannot be decoded"):
        read(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    "error",
    [IndexError("list index out of range"), AttributeError("'str' object has no attribute 'decode'"), ValueError(""), ""],
)
def test_words_of_programs_never_reach_a_user(error: Exception | str) -> None:
    assert str(damage.damaged(Path("a.tif"), error)) == (
        "a.tif cannot be decoded (its bytes make no picture): it is damaged, cut short or of an unknown kind; get a fresh copy."
    )
