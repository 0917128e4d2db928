"""Files, PIL images, dask and xarray arrays come back as what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import xarray
from PIL import Image

import unnoise
from unnoise.errors import UsageError
from unnoise.models.containers import axes_of_dimensions

Array = np.ndarray[Any, Any]
MODEL = unnoise.load("fast")


def noisy(*shape: int, kind: str = "uint8") -> Array:
    rng = np.random.default_rng(0)
    rows = np.linspace(60, 180, shape[0] if len(shape) < 3 or shape[-1] <= 4 else shape[-2])
    ramp = rows[:, None, None] if shape[-1] <= 4 else rows[:, None]
    return (ramp + rng.normal(0, 12, shape)).clip(0, 255).round().astype(kind)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_path_gives_the_array_of_the_file(tmp_path: Path, suffix: str) -> None:
    picture = noisy(48, 40, 3)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path)
    for given in (path, str(path)):
        assert np.array_equal(unnoise.denoise(given, MODEL), MODEL.denoise(picture))


def test_a_path_of_a_stack_of_whole_numbers_and_of_gaps(tmp_path: Path) -> None:
    stack = noisy(3, 40, 44, kind="int16") - 100
    np.save(tmp_path / "a.npy", stack)
    result = MODEL.denoise(tmp_path / "a.npy", axes="ZYX")
    assert result.dtype == np.int16
    assert np.array_equal(result, MODEL.denoise(stack, axes="ZYX"))
    gaps = noisy(40, 44, kind="float32")
    gaps[10:14, 5:9] = np.nan
    tifffile.imwrite(tmp_path / "b.tif", gaps)
    assert np.array_equal(np.isnan(MODEL.denoise(tmp_path / "b.tif")), np.isnan(gaps))
    with pytest.raises(UsageError, match="There is no file"):
        MODEL.denoise(tmp_path / "c.tif")


def test_pages_of_different_sizes_make_no_array(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for side in (32, 40):
            file.write(noisy(side, 32))
    with pytest.raises(UsageError, match="different sizes or types"):
        MODEL.denoise(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("mode", "shape", "kind"),
    [
        ("L", (40, 36), "uint8"),
        ("RGB", (40, 36, 3), "uint8"),
        ("RGBA", (40, 36, 4), "uint8"),
        ("LA", (40, 36, 2), "uint8"),
        ("CMYK", (40, 36, 4), "uint8"),
        ("I;16", (40, 36), "uint16"),
        ("F", (40, 36), "float32"),
        ("I", (40, 36), "int32"),
    ],
)
def test_pil_images_keep_mode_and_info(mode: str, shape: tuple[int, ...], kind: str) -> None:
    pixels = noisy(*shape, kind=kind)
    if mode in ("LA", "CMYK"):
        image = Image.merge(mode, [Image.fromarray(pixels[..., band].copy()) for band in range(shape[2])])
    else:
        image = Image.fromarray(pixels)
    assert image.mode == mode
    image.info["dpi"] = (72, 72)
    result = MODEL.denoise(image)
    assert (result.mode, result.size, result.info) == (mode, image.size, {"dpi": (72, 72)})
    expected = MODEL.denoise(pixels, axes="YXC") if mode == "CMYK" else MODEL.denoise(pixels)
    assert np.array_equal(np.asarray(result), expected)


def test_palettes_become_colors() -> None:
    image = Image.fromarray(noisy(40, 36, 3)).quantize(64)
    result = MODEL.denoise(image, force=True)
    assert result.mode == "RGB"
    assert np.array_equal(np.asarray(result), MODEL.denoise(np.asarray(image.convert("RGB")), force=True))


def test_dask_arrays_stay_lazy() -> None:
    stack = noisy(4, 40, 44, kind="uint16")
    lazy = MODEL.denoise(dask.array.from_array(stack, chunks=(3, 20, 20)), axes="TYX")
    assert isinstance(lazy, dask.array.Array)
    assert (lazy.shape, lazy.dtype) == (stack.shape, np.uint16)
    expected = MODEL.denoise(stack, axes="TYX")
    assert np.array_equal(lazy[2].compute(scheduler="synchronous"), expected[2])
    finer = MODEL.denoise(dask.array.from_array(stack, chunks=-1), axes="TYX", dtype="float32")
    assert finer.dtype == finer[0].compute(scheduler="synchronous").dtype == np.float32


@pytest.mark.parametrize("lazy", [False, True])
def test_xarrays_keep_their_coordinates(lazy: bool) -> None:
    values = noisy(2, 40, 44, kind="float32")
    image = xarray.DataArray(
        values,
        dims=("time", "lat", "lon"),
        coords={"time": [3, 5], "lat": np.linspace(40, 50, 40), "lon": np.arange(44)},
        name="flux",
        attrs={"units": "Jy"},
    )
    result = unnoise.denoise(image.chunk() if lazy else image, MODEL)
    assert isinstance(result, xarray.DataArray)
    assert result.coords.equals(image.coords)
    assert (result.name, result.attrs, result.dims) == (image.name, image.attrs, image.dims)
    assert np.array_equal(result.values, MODEL.denoise(values, axes="TYX"))
    assert np.array_equal(image.values, values)  # the input is left alone


def test_dimensions_tell_the_axes() -> None:
    assert axes_of_dimensions(["y", "x"]) == "YX"
    assert axes_of_dimensions(["Row", "Column", "rgb"]) == "YXS"
    assert axes_of_dimensions(["band", "northing", "easting"]) == "CYX"
    with pytest.raises(UsageError, match="The dimensions a, b do not say which are rows"):
        axes_of_dimensions(["a", "b"])


def test_errors_hint_at_axes() -> None:
    with pytest.raises(UsageError, match="axes='ZYX'"):
        MODEL.denoise(noisy(9, 40, 44))
    with pytest.raises(UsageError, match="axes='ZYX'"):
        MODEL.denoise(xarray.DataArray(noisy(9, 40, 44), dims=("a", "b", "c")))
    with pytest.raises(UsageError, match=r"not list; try np\.asarray"):
        MODEL.denoise([[1, 2]])


def test_reports_and_finer_types_that_cannot_be() -> None:
    image = Image.fromarray(noisy(40, 36))
    with pytest.raises(UsageError, match="report needs an array"):
        MODEL.denoise(image, report=True)
    with pytest.raises(UsageError, match="cannot be made finer"):
        MODEL.denoise(image, dtype="float32")
