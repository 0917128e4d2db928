"""Samples whose bits do not fill a type, in TIFFs of both byte orders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from images.test_stacks import copy


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bits", [10, 12, 14, 24])
def test_packed_samples_keep_every_bit_in_both_byte_orders(tmp_path: Path, bits: int, byteorder: str) -> None:
    """By hand, as tifffile packs them wrongly in big-endian files: from the highest bit on, rows filled up to bytes."""
    values = np.random.default_rng(0).integers(0, 2**bits, (20, 31))
    packed = np.packbits((values[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(20, -1), axis=1)
    tifffile.imwrite(tmp_path / "a.tif", packed, photometric="minisblack", byteorder=byteorder, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags[256].overwrite(31)
        file.pages[0].tags[258].overwrite(bits)
    picture = copy(tmp_path / "a.tif", tmp_path / "b.tif")[0]
    np.testing.assert_array_equal(picture.astype(np.int64) >> (16 - bits if bits < 16 else 0), values)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert (file.byteorder, page.bitspersample, page.shape) == (byteorder, bits, (20, 31))
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
    data = (tmp_path / "b.tif").read_bytes()
    assert b"".join(data[start : start + size] for start, size in segments) == packed.tobytes()
