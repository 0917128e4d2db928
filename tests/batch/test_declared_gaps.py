"""Missing values that a file declares are left as they are without any option, and nothing around them sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from unnoise import images
from unnoise.batch.one_file import denoise_file

FILL = -9999
GDAL_NODATA = 42113


def scene() -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A noisy picture of about 100 to 2000, and where it has a gap that a constant region does not explain."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.random((72, 80)), 5)
    clean = 200 + 1500 * (smooth - smooth.min()) / np.ptp(smooth)
    gap = rng.random(clean.shape) < 0.02  # single pixels, of which no region consists
    gap[20:40, 50:70] = True
    return clean + rng.normal(0, 40, clean.shape), gap


def fits(path: Path, x: NDArray[Any], gap: NDArray[np.bool_]) -> None:
    io = pytest.importorskip("astropy.io.fits")
    unit = io.PrimaryHDU(np.where(gap, FILL, x.round()).astype(np.int16))
    unit.header["BLANK"] = FILL
    unit.writeto(path)


def scaled_fits(path: Path, x: NDArray[Any], gap: NDArray[np.bool_]) -> None:
    io = pytest.importorskip("astropy.io.fits")
    unit = io.PrimaryHDU(np.where(gap, -1, (x / 0.5 + 100).round()).astype(np.int32))
    unit.header["BLANK"], unit.header["BSCALE"], unit.header["BZERO"] = -1, 0.5, -50.0
    unit.writeto(path, output_verify="ignore")


def geotiff(path: Path, x: NDArray[Any], gap: NDArray[np.bool_], dtype: str = "int16", fill: float = FILL) -> None:
    text = f"{fill}\0".encode()
    pixels = np.where(gap, fill, x.round()).astype(dtype)
    tifffile.imwrite(path, pixels, extratags=[(GDAL_NODATA, "s", 0, text, True)], metadata=None)


def floats(path: Path, x: NDArray[Any], gap: NDArray[np.bool_]) -> None:
    geotiff(path, x, gap, "float32", -3.4028234663852886e38)


def bytes_of_grey(path: Path, x: NDArray[Any], gap: NDArray[np.bool_]) -> None:
    geotiff(path, x / 8, gap, "uint8", 255)


@pytest.mark.parametrize("write", [fits, scaled_fits, geotiff, floats, bytes_of_grey])
def test_declared_gaps_stay_and_the_rest_does_not_see_them(write: Any, tmp_path: Path) -> None:
    x, gap = scene()
    ending = ".fits" if "fits" in write.__name__ else ".tif"
    noisy, result = tmp_path / f"x{ending}", tmp_path / f"y{ending}"
    write(noisy, x, gap)
    model = unnoise.load("fast")
    denoise_file(model, noisy, result, precision="float32")
    before, after = (images.read(path).pixels for path in (noisy, result))
    assert np.array_equal(after[gap], before[gap], equal_nan=True)
    plain = np.where(gap, np.median(before[~gap]), before).astype(before.dtype)  # what the gap holds does not matter
    told = model.denoise(plain, mask=gap, precision="float32")
    steps = 1.5 if before.dtype.kind in "iu" else 0.51  # a file holds whole numbers as floats
    assert abs(after[~gap].astype(float) - told[~gap]).max() <= steps
    assert np.std(after[~gap] - told[~gap].astype(float)) < 0.5 < np.std(before[~gap] - told[~gap].astype(float))


def test_a_path_in_python_counts_declared_gaps_too(tmp_path: Path) -> None:
    x, gap = scene()
    geotiff(tmp_path / "x.tif", x, gap)
    denoise_file(unnoise.load("fast"), tmp_path / "x.tif", tmp_path / "y.tif", precision="float32")
    made = unnoise.denoise(tmp_path / "x.tif", "fast", precision="float32")
    assert (made[gap] == FILL).all()
    assert abs(made.astype(int) - images.read(tmp_path / "y.tif").pixels).max() <= 1


def test_an_option_replaces_what_the_file_declares(tmp_path: Path) -> None:
    x, gap = scene()
    pixels = np.where(gap, 7, x.round()).astype(np.int16)
    pixels[5, 5] = FILL  # declared, but no gap here: it is a dead pixel
    tag = (GDAL_NODATA, "s", 0, f"{FILL}\0".encode(), True)
    tifffile.imwrite(tmp_path / "x.tif", pixels, extratags=[tag], metadata=None)
    denoise_file(unnoise.load("fast"), tmp_path / "x.tif", tmp_path / "y.tif", missing=7, hot_pixels="remove")
    made = images.read(tmp_path / "y.tif").pixels
    assert (made[gap] == 7).all()
    assert made[5, 5] > 0


@pytest.mark.parametrize("text", [b"none\0", b"nan\0", b"\0", b"inf\0"])
def test_a_tag_without_a_number_declares_nothing(text: bytes, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((9, 9), np.int16), extratags=[(GDAL_NODATA, "s", 0, text, True)])
    assert images.read(tmp_path / "x.tif").metadata.nodata is None
