"""Every integer and float type of NumPy goes in, and the same, or a finer one that was asked for, comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st

import unnoise
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UsageError
from unnoise.images.number_types import NAMES, factor_to
from unnoise.images.picture import Layout
from unnoise.inference.options import DenoiseOptions
from unnoise.models.stored_types import prepare

Array = np.ndarray[Any, Any]
SIDE = 64
OTHERS = ["int8", "int16", "int32", "uint32", "int64", "uint64"]


def counts(mean: float = 60, sigma: float = 12) -> Array:
    y, x = np.mgrid[:SIDE, :SIDE]
    return mean + 20 * np.sin(x / 9) + 10 * np.cos(y / 7) + np.random.default_rng(0).normal(0, sigma, (SIDE, SIDE))


@pytest.mark.parametrize("kind", [*OTHERS, "float16", "float32", "float64", "longdouble", ">i2", ">f4"])
def test_the_same_type_comes_out_cleaner(kind: str) -> None:
    noisy = counts(64, 7).round().astype(kind)
    result = unnoise.denoise(noisy)
    assert result.dtype == np.dtype(kind).newbyteorder("=") or result.dtype == np.dtype(kind)
    assert result.shape == noisy.shape
    clean = counts(64, 0)
    assert np.std(result - clean) < 0.5 * np.std(noisy - clean)
    assert abs(float(result.mean()) - float(noisy.mean())) < 0.1


def test_types_of_torch_and_values_below_zero() -> None:
    noisy = (counts() - 60).round().astype(np.int16)
    result = unnoise.denoise(torch.from_numpy(noisy))
    assert result.dtype == torch.int16
    assert np.array_equal(result.numpy(), unnoise.denoise(noisy))
    assert result.min() < 0


def test_channels_of_other_whole_numbers_are_no_colors() -> None:
    noisy = np.stack([counts(), 5 * counts().T, counts()[::-1]], -1).round().astype(np.int32)
    result = unnoise.denoise(noisy)
    assert np.array_equal(result[..., 1], unnoise.denoise(noisy[..., 1].copy()))


def test_equal_channels_stay_equal_where_steps_are_coarse() -> None:
    one = np.random.default_rng(0).poisson(3, (SIDE, SIDE)).astype(np.int16)
    result = unnoise.denoise(np.stack([one] * 3, -1))
    assert (result == result[..., :1]).all()


def test_whole_numbers_beyond_float64_are_refused() -> None:
    with pytest.raises(UsageError, match="whole numbers beyond 9007199254740992"):
        unnoise.denoise(np.full((32, 32), 2**60, np.int64))


@pytest.mark.parametrize(
    ("kind", "wanted"), [("uint8", "float32"), ("uint8", "uint16"), ("uint16", "float64"), ("int16", "int32")]
)
def test_gray_pictures_keep_their_numbers_in_a_finer_type(kind: str, wanted: str) -> None:
    noisy = counts().round().astype(kind)
    result = unnoise.denoise(noisy, dtype=wanted)
    assert result.dtype == wanted
    assert float(result.mean()) == pytest.approx(float(noisy.mean()), rel=0.01)
    if wanted.startswith("float"):
        assert (result != result.round()).mean() > 0.9


def test_colors_keep_black_and_white_in_a_finer_type() -> None:
    noisy = np.stack([counts(120), counts(90).T, counts(150)], -1).clip(0, 255).round().astype(np.uint8)
    plain = unnoise.denoise(noisy).astype(float)
    np.testing.assert_allclose(unnoise.denoise(noisy, dtype="uint16") / 257, plain, atol=2.5)
    np.testing.assert_allclose(unnoise.denoise(noisy, dtype="float32") * 255, plain, atol=2.5)
    tensor = unnoise.denoise(torch.from_numpy(noisy).permute(2, 0, 1), dtype="float32")
    np.testing.assert_allclose(tensor.permute(1, 2, 0) * 255, plain, atol=2.5)


def test_a_coarser_type_is_refused() -> None:
    with pytest.raises(UsageError, match="type uint16, which uint8 cannot hold; ask for one of uint16, int32, "):
        unnoise.denoise(counts().astype(np.uint16), dtype="uint8")
    with pytest.raises(UsageError, match="The type 'float' is unknown"):
        unnoise.denoise(counts(), dtype="float")


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["grey", "rgb", "channels"]))
def test_factors_keep_the_ends_of_each_type(own: str, wanted: str, colours: Any) -> None:
    try:
        factor = factor_to(own, wanted, Layout(colours))
    except UsageError:
        return
    if own.startswith("float") or colours != "rgb" or own == wanted:
        assert factor == 1
        return
    white = np.iinfo(own).max * factor
    assert white == pytest.approx(1.0 if wanted.startswith("float") else np.iinfo(wanted).max)


def test_what_is_no_other_number_type_passes_untouched() -> None:
    image = np.zeros((4, 4), np.uint8)
    assert prepare(image, DenoiseOptions()).image is image


@pytest.mark.parametrize(
    ("kind", "wanted"), [("uint16", "float32"), ("int16", "float32"), ("int16", "int32"), ("uint8", "uint16")]
)
def test_files_get_the_type_that_is_asked_for(tmp_path: Path, kind: str, wanted: str) -> None:
    noisy = counts().round().astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", noisy, compression="zlib", predictor=True)
    denoise_file(unnoise.load("fast"), tmp_path / "a.tif", tmp_path / "b.tif", dtype=wanted)
    result = tifffile.imread(tmp_path / "b.tif")
    assert result.dtype == wanted
    difference = np.abs(result.astype(float) - unnoise.denoise(noisy, model="fast", dtype=wanted))
    assert difference.max() < 2.1  # of files, values are rounded before the removal is bounded
    assert (difference > 1.1).mean() < 0.005


def test_faint_counts_of_files_keep_their_light(tmp_path: Path) -> None:
    faint = np.random.default_rng(0).poisson(0.5, (SIDE, SIDE)).astype(np.int16)
    np.save(tmp_path / "a.npy", faint)
    with pytest.warns(match="spans . whole numbers"):
        denoise_file(unnoise.load("fast"), tmp_path / "a.npy", tmp_path / "b.npy")
    result = np.load(tmp_path / "b.npy")
    assert result.dtype == np.int16
    assert result.mean() == pytest.approx(faint.mean(), rel=0.05)
