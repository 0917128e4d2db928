"""TIFFs of every combination that tifffile writes come through bit by bit, or are refused by what they are."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from images.test_stacks import copy
from unnoise.errors import UsageError

TYPES = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64", "int64", "complex64"]
CODECS = [None, "lzw", "zlib", "zstd", "packbits", "lzma", "jpeg", "jpeg2000", "png", "webp", "jpegxl", "lerc", "jpegxr"]
COLOURS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4, "palette": 1, "cielab": 3}
FILES = 25


def write_any(path: Path, choose: random.Random) -> str:
    """A file of a random kind; what is refused about it, empty for most."""
    while True:
        dtype, photometric = choose.choice(TYPES), choose.choice(list(COLOURS))
        extra = tuple(choose.choice([0, 1, 2]) for _ in range(choose.choice([0, 0, 1, 2])))
        samples = COLOURS[photometric] + len(extra)
        if (photometric == "palette" and (dtype != "uint8" or extra)) or (dtype == "bool" and samples > 1):
            continue
        planar = choose.choice(["contig", "separate"])
        size = choose.choice([(1, 1), (17, 23), (40, 33), (64, 64)])
        shape = size if samples == 1 else (samples, *size) if planar == "separate" else (*size, samples)
        rng = np.random.default_rng(choose.randrange(2**32))
        if dtype[0] in "fc":
            pixels = rng.random(shape).astype(dtype)
        else:
            pixels = rng.integers(0, 2 if dtype == "bool" else min(2**31 - 1, np.iinfo(dtype).max), shape).astype(dtype)
        options: dict[str, Any] = {"photometric": photometric, "compression": choose.choice(CODECS), "metadata": None}
        options["tile"] = choose.choice([None, (16, 16), (32, 16)])
        if samples > 1:
            options["planarconfig"] = planar
        if extra:
            options["extrasamples"] = extra
        if photometric == "palette":
            options["colormap"] = rng.integers(0, 256, (3, 256)).astype(np.uint16) * 257
        try:
            with tifffile.TiffWriter(path, byteorder=choose.choice("<>"), bigtiff=choose.random() < 0.2) as file:
                for _ in range(choose.choice([1, 1, 2])):
                    file.write(pixels, **options)
            tifffile.imread(path)
        except Exception:  # codecs do not take every type: such a file is not made
            continue
        return {"cielab": "CIELAB colours"}.get(photometric, "complex numbers" if dtype == "complex64" else "")


def seen(page: Any) -> np.ndarray:
    pixels: np.ndarray = page.asarray()
    return page.colormap.T[pixels] if page.photometric.name == "PALETTE" else pixels


@pytest.mark.parametrize("seed", range(6))
def test_files_of_random_kinds(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    for number in range(FILES):
        source, target = tmp_path / f"{number}.tif", tmp_path / f"{number}_copy.tif"
        refused = write_any(source, choose)
        if refused:
            with pytest.raises(UsageError, match=refused):
                copy(source, target)
            continue
        copy(source, target)
        with tifffile.TiffFile(source) as first, tifffile.TiffFile(target) as second:
            assert first.byteorder == second.byteorder
            assert len(first.pages) == len(second.pages)
            for old, new in zip(first.pages, second.pages, strict=True):
                if old.photometric.name != "YCBCR":  # JPEG's, which comes out as RGB
                    assert new.photometric == old.photometric
                assert tuple(new.extrasamples) == tuple(old.extrasamples)
                assert new.planarconfig == old.planarconfig
                np.testing.assert_array_equal(seen(new), seen(old), strict=True)
