"""Levels: what was shown comes back, and a measurement is restored alike whatever range its values have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio

import unnoise
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UsageError
from unnoise.images import Layout
from unnoise.photometry import normalization as levels
from unnoise.photometry.normalization import (
    EXPONENT,
    FLOOR_MARGIN_SHARE,
    MARGIN_SHARE,
    OVERSHOOT_RANGES,
    Normalization,
    Scale,
    is_measured,
    measure_scale,
    scale_of_values,
)
from unnoise.regions import RegionSource
from unnoise.training.image_pool import from_arrays

CLEAN = camera()[100:228, 100:228] / 255
NOISY = np.clip(CLEAN + np.random.default_rng(0).normal(0, 0.05, CLEAN.shape), 0, 1)
VALUES = st.floats(-4, 4, width=32)


@given(st.lists(VALUES, min_size=1, max_size=30), VALUES, st.floats(0.1, 4))
def test_what_is_shown_comes_back_and_stays_in_bounds(values: list[float], low: float, extent: float) -> None:
    scale, noisy = Scale(low, low + extent), torch.tensor(values)
    seen = scale.forward(noisy)
    assert seen.min() >= -(OVERSHOOT_RANGES**EXPONENT)
    assert seen.max() <= 1 + OVERSHOOT_RANGES + 1e-4
    torch.testing.assert_close(scale.inverse(seen, noisy), noisy, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scale.forward(torch.tensor([low, low + extent])), torch.tensor([MARGIN_SHARE, 1 - MARGIN_SHARE]))


def test_a_few_hot_pixels_do_not_set_the_levels() -> None:
    values = np.random.default_rng(0).uniform(0.2, 0.3, 10_000)
    values[:5] = 1
    scale = scale_of_values(values)
    assert scale is not None
    assert 0.2 <= scale.low < scale.high <= 0.3


@pytest.mark.parametrize(("value", "others"), [(0.5, 0), (0.5, 3)])
def test_plain_pictures_have_a_scale_only_if_something_differs(value: float, others: int) -> None:
    values = np.full(10_000, value)
    values[:others] = 0.7
    assert scale_of_values(values) == (Scale(0.5, 0.7, FLOOR_MARGIN_SHARE) if others else None)


@pytest.mark.parametrize(("lowest", "margin"), [(0.0, FLOOR_MARGIN_SHARE), (-0.7, MARGIN_SHARE)])
def test_where_the_values_end_at_the_lowest_the_margin_is_small(lowest: float, margin: float) -> None:
    values = np.random.default_rng(0).normal(0.1, 0.2, 10_000).clip(lowest)
    scale = scale_of_values(values)
    assert scale is not None
    assert scale.margin == margin
    assert scale.forward(np.array([scale.low, scale.high])) == pytest.approx([margin, 1 - margin])


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 9))
def test_the_scale_does_not_depend_on_how_it_is_read(height: int, width: int, rows: int) -> None:
    picture = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(height * width))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "SAMPLE_VALUES", 500)
        whole = measure_scale(RegionSource.of(picture))
        patch.setattr(levels, "STRIP_PIXELS", rows * width)
        assert measure_scale(RegionSource.of(picture)) == whole


def test_measurements_are_grey_and_deep_or_no_colours() -> None:
    for shape, dtype, wanted in (
        ((4, 4), np.uint16, True),
        ((4, 4, 1), np.float32, True),
        ((4, 4), np.uint8, False),
        ((4, 4, 3), np.uint16, False),
        ((4, 4, 4), np.float32, False),
    ):
        assert is_measured(Layout.of((*shape, 1)[:3]).colours, np.dtype(dtype)) == wanted
    assert is_measured("channels", np.dtype(np.uint8))


@pytest.mark.parametrize("top", [65535, 4095, 600])
def test_twelve_bits_in_sixteen_are_restored_as_well_as_sixteen(top: int) -> None:
    model = unnoise.load("fast")
    noisy = np.rint(NOISY * top).astype(np.uint16)

    def psnr(pixels: np.ndarray[Any, Any]) -> float:
        return float(peak_signal_noise_ratio(CLEAN, pixels / top, data_range=1))

    assert psnr(model.denoise(noisy)) > psnr(noisy) + 3
    if top == 4095:
        assert psnr(model.denoise(noisy, normalization="full")) < psnr(model.denoise(noisy)) - 1


def test_a_straight_line_before_is_the_same_after() -> None:
    model = unnoise.load("fast")
    noisy = NOISY.astype(np.float32)
    options: dict[str, Any] = {"precision": "float32", "bias_correction": "linear"}
    result = model.denoise(noisy, **options)
    dim = model.denoise(noisy * np.float32(0.04) + np.float32(0.3), **options)
    np.testing.assert_allclose(np.clip((dim - 0.3) / 0.04, 0, 1), np.clip(result, 0, 1), atol=2e-3)


def test_stars_pass_by_the_network() -> None:
    """What is far beyond the levels is neither noise nor anything that the network knows."""
    noisy = (NOISY * 0.01).astype(np.float32)
    noisy[64, 64] = 0.9
    result = unnoise.load("fast").denoise(noisy)
    assert result[64, 64] == pytest.approx(0.9, abs=0.01)
    around = result[56:73, 56:73]
    assert np.delete(around.ravel(), 8 * 17 + 8).max() < 0.02


def test_pictures_for_display_are_shown_as_they_are() -> None:
    model = unnoise.load("fast")
    dim = np.rint(NOISY * 40).astype(np.uint8)
    for picture in (dim, np.repeat(dim[..., None], 3, axis=2).astype(np.uint16) * 257):
        np.testing.assert_array_equal(model.denoise(picture), model.denoise(picture, normalization="full"))
        assert (model.denoise(picture) != model.denoise(picture, normalization="picture")).any()


def test_files_come_out_as_arrays_do(tmp_path: Path) -> None:
    noisy = np.rint(NOISY * 4095).astype(np.uint16)
    images.write(tmp_path / "in.tif", images.Picture(noisy))
    model = unnoise.load("fast")
    denoise_file(model, tmp_path / "in.tif", tmp_path / "out.tif")
    written = images.read(tmp_path / "out.tif").pixels.squeeze().astype(int)
    np.testing.assert_allclose(written, model.denoise(noisy), atol=1)  # of 65535: detail comes back to what was rounded already


def test_training_sees_what_the_network_will_see() -> None:
    deep, display = np.rint(NOISY * 4095).astype(np.uint16), np.rint(NOISY * 255).astype(np.uint8)
    pool = from_arrays([deep, display], 3, normalization=Normalization())
    scale = scale_of_values(deep / np.float32(65535))
    assert scale is not None
    shown = scale.forward(torch.from_numpy(deep / np.float32(65535))).numpy()
    np.testing.assert_allclose(pool.pictures[0], np.repeat(shown[..., None], 3, axis=2), atol=1e-6)
    assert pool.pictures[1].dtype == np.uint8
    assert from_arrays([deep], 3).pictures[0].dtype == np.uint16


def test_floats_may_count_photons(tmp_path: Path) -> None:
    counts = (NOISY * 20_000 - 300).astype(np.float32)
    np.save(tmp_path / "counts.npy", counts)
    model = unnoise.load("fast")
    result = model.denoise(counts, precision="float32")
    assert peak_signal_noise_ratio(CLEAN, (result + 300) / 20_000, data_range=1) > 30
    denoise_file(model, tmp_path / "counts.npy", tmp_path / "out.npy", precision="float32")
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), result, rtol=1e-4)
    _, report = model.denoise(counts, report=True, precision="float32")
    _, other = model.denoise(NOISY, report=True, precision="float32")
    assert report.judgement.gain == pytest.approx(other.judgement.gain, abs=0.05)
    assert 0.2 < report.restored.mean() < 0.8  # shown as it can be seen
    for picture, options in ((counts, {"normalization": "full"}), (np.repeat(counts[..., None], 3, axis=2), {})):
        with pytest.raises(UsageError, match=r"0\.\.1"):
            model.denoise(picture, **options)
    with pytest.raises(UsageError, match=r"counts\.npy.*0\.\.1"):
        denoise_file(model, tmp_path / "counts.npy", tmp_path / "full.npy", normalization="full")
    assert not (tmp_path / "full.npy").exists()
