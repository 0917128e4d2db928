"""Whole numbers of any type, and values that are missing, come back as they were, and networks see floats without gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from images.test_stacks import copy
from unnoise import images
from unnoise.errors import UsageError
from unnoise.images import Scratch, measured_values, read, write
from unnoise.images.measured_values import FLOATS, Filled, whole


def numbers(dtype: str, shape: tuple[int, ...] = (20, 30)) -> np.ndarray:
    ends = np.iinfo(dtype)
    low, high = max(ends.min, -(2**53)), min(ends.max, 2**53)
    values = np.random.default_rng(0).integers(low, high, shape, dtype, endpoint=True)
    values.flat[:3] = low, high, max(low, 0)
    return values


def save(path: Path, values: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".zarr":
        pytest.importorskip("zarr", reason="Zarr needs the extra zarr").create_array(path, data=values)
    else:
        tifffile.imwrite(path, values, photometric="minisblack", compression="zlib", predictor=values.dtype.itemsize < 8)


def load(path: Path) -> np.ndarray:
    if path.suffix == ".zarr":
        return np.asarray(pytest.importorskip("zarr").open(path, mode="r")[:])
    return np.asarray(np.load(path) if path.suffix == ".npy" else tifffile.imread(path))


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("dtype", [*FLOATS, "float64"])
def test_every_type_comes_back_exactly(tmp_path: Path, dtype: str, suffix: str) -> None:
    values = np.random.default_rng(0).normal(0, 1e6, (20, 30)) if dtype == "float64" else numbers(dtype)
    save(tmp_path / f"a{suffix}", values)
    frames = copy(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    assert frames[0].dtype == FLOATS.get(dtype, dtype)
    np.testing.assert_array_equal(frames[0].astype(dtype), values)
    np.testing.assert_array_equal(load(tmp_path / f"b{suffix}"), values, strict=True)
    copy(tmp_path / f"a{suffix}", tmp_path / ("c.npy" if suffix == ".tif" else "c.tif"))
    np.testing.assert_array_equal(load(tmp_path / ("c.npy" if suffix == ".tif" else "c.tif")), values, strict=True)
    with pytest.raises(UsageError, match=r"d\.png has values from .* write them to TIFF or \.npy"):
        copy(tmp_path / f"a{suffix}", tmp_path / "d.png")


def test_24_bits_of_a_tiff(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**24, (20, 30), np.uint32)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", bitspersample=24)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].bitspersample == 24
        np.testing.assert_array_equal(file.asarray(), values)


@given(st.lists(st.floats(-1e20, 1e20), min_size=1), st.sampled_from(list(FLOATS)))
def test_floats_become_the_nearest_whole_numbers(values: list[float], dtype: str) -> None:
    ends = np.iinfo(dtype)
    wanted = [min(max(round(value), ends.min), ends.max) for value in values]
    np.testing.assert_array_equal(whole(np.array(values), np.dtype(dtype)), np.array(wanted, dtype), strict=True)


def test_numbers_that_floats_do_not_hold_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((3, 4), 2**60, np.int64))
    with pytest.raises(UsageError, match=r"a\.npy has whole numbers beyond 9007199254740992"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_missing_values_stay_missing_and_are_not_seen(tmp_path: Path, dtype: str, suffix: str) -> None:
    rows, columns = np.mgrid[:60, :90]
    values = (rows * 100 + columns).astype(dtype)
    values[10:14, 20:30] = np.nan
    values[0, 0], values[40, :50], values[59, 89] = np.inf, -np.inf, np.nan
    save(tmp_path / f"a{suffix}", values)
    with (
        images.open(tmp_path / f"a{suffix}") as source,
        images.create(tmp_path / f"b{suffix}", source) as target,
    ):
        frame = source[0]
        seen = frame[...]
        assert np.isfinite(seen).all()
        there = np.isfinite(values)
        np.testing.assert_array_equal(seen[there], values[there])
        assert np.abs(seen[10:14, 20:30] - (rows * 100 + columns)[10:14, 20:30]).max() < 500
        canvas = target.add(frame)
        for top in range(0, 60, 7):
            canvas[top : top + 7] = frame.region(slice(top, top + 7), slice(None)) + 1
    made = load(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(made, values + 1)  # what is missing stays what it was
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, values)  # whole pictures say what the file says
    write(tmp_path / f"c{suffix}", read(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(load(tmp_path / f"c{suffix}"), values)


@given(data=st.data())
def test_what_is_filled_in_is_the_same_wherever_a_region_begins(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = rng.random((90, 80, 2)).astype(np.float32)
    values[rng.random(values.shape) < data.draw(st.sampled_from([0.01, 0.5, 0.999, 1.0]))] = np.nan
    filled = Filled(Scratch.of(values))
    top, left = data.draw(st.integers(0, 89)), data.draw(st.integers(0, 79))
    bottom, right = data.draw(st.integers(top + 1, 90)), data.draw(st.integers(left + 1, 80))
    part: Any = filled.region(slice(top, bottom), slice(left, right))
    np.testing.assert_allclose(part, filled[...][top:bottom, left:right], rtol=1e-5, atol=1e-6)
    assert np.isfinite(part).all()
    assert measured_values.RADII[-1] == 31
