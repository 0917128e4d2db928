"""Noise is told from colors whose patches are all equally noisy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise.noise.autocovariance import PATCH_PIXELS, dct_powers
from unnoise.noise.flat_patches import PatchSpectra
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.uniform_colors import UniformColors, uniform_colors
from unnoise.regions import RegionSource

Array = NDArray[np.float64]


def told(picture: Array, sigma: float, white: bool = True) -> UniformColors:
    """What the groups tell where noise of this standard deviation is expected, (H, W, C): white, or like quiet patches."""
    views = np.lib.stride_tricks.sliding_window_view(picture, (PATCH_PIXELS, PATCH_PIXELS), axis=(0, 1))[::7, ::7]
    patches = views.reshape(-1, picture.shape[2], PATCH_PIXELS, PATCH_PIXELS)
    powers, means = dct_powers(patches)
    cut = ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3))
    shapes = np.ones((picture.shape[2], PATCH_PIXELS, PATCH_PIXELS))
    if not white:
        order = np.argsort(powers.sum(axis=(1, 2, 3)))
        shapes = powers[order[: len(order) // 10]].mean(axis=0) / sigma**2
    return uniform_colors(PatchSpectra(powers, means, cut), np.full_like(means, sigma**2), shapes)


@settings(max_examples=4, deadline=None)
@given(sigma=st.floats(0.005, 0.05), gain=st.floats(0.5, 1.8), seed=st.integers(0, 2**31))
def test_a_plain_picture_has_one_gain(sigma: float, gain: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 1, (200, 200, 3))
    found = told(0.5 + sigma * gain * noise, sigma)
    assert found.trust == 1
    assert np.allclose(found.gains, gain**2, rtol=0.1)
    assert np.allclose(found.tilt[:, 1:], 1, atol=0.2)


def test_the_tilt_is_that_of_the_spectrum() -> None:
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 1, (240, 240, 3)), (0.8, 0.8, 0))
    found = told(0.5 + 0.02 * noise / noise.std(), 0.02)
    assert (np.diff(found.tilt, axis=1) < 0).all()
    assert (found.tilt[:, 0] > 3).all()
    assert (found.tilt[:, -1] < 0.3).all()


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "text", "page"])
def test_textures_are_not_uniform(name: str) -> None:
    from skimage import data

    found = told(getattr(data, name)()[:384, :384, None] / 255, 0.02, white=False)
    assert found.trust == 0
    assert np.allclose(found.tilt, 1)


def test_gains_reach_only_as_far_as_their_colors() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (200, 400, 3))
    noise[:, 200:, 2] *= 2.5
    picture = np.full((200, 400, 3), 0.4)
    picture[:, 200:] = 0.8, 0.5, 0.3
    gains = told(picture + noise, 0.02).gain_at(np.array([[0.4, 0.4, 0.4], [0.8, 0.5, 0.3]]))
    assert np.allclose(gains, [[1, 1, 1], [1, 1, 2.5**2]], rtol=0.15)


def measured(picture: Array) -> tuple[Array, Array]:
    """The level of the noise of each channel at each pixel that `estimate_noise` finds, and the picture in 8 bits."""
    noisy = torch.from_numpy(np.clip(np.rint(picture * 255), 0, 255) / 255).float().permute(2, 0, 1)[None]
    noise = estimate_noise(RegionSource.of(noisy))
    assert noise is not None
    clean = torch.from_numpy(gaussian_filter(picture, (8, 8, 0))).float().permute(2, 0, 1)
    return (noise.variance_at(clean) * noise.spectrum.mean((1, 2))[:, None, None]).sqrt().numpy(), noisy[0].numpy()


def test_a_channel_that_is_cut_off_does_not_hide_the_others() -> None:
    """Most of the picture is orange: its red is cut off, and its blue has more and whiter noise than gray has."""
    rng = np.random.default_rng(1)
    gray = gaussian_filter(rng.normal(0, 1, (256, 256, 3)), (0.5, 0.5, 0))
    gray *= 0.02 / gray.std()
    orange = rng.normal(0, 1, (256, 256, 3)) * (0.04, 0.04, 0.09)
    inside = np.zeros((256, 256, 1), bool)
    inside[160:, 150:] = True
    level, _ = measured(np.where(inside, np.add(gray, (0.4, 0.45, 0.6)), np.add(orange, (1.1, 0.5, 0.25))))
    assert level[2, :140, :140].mean() == pytest.approx(0.09, rel=0.15)
    assert level[1, :140, :140].mean() == pytest.approx(0.04, rel=0.15)
    assert level[2, 190:, 190:].mean() < 0.03  # gray keeps its own


def test_dark_patches_whose_noise_is_cut_off_do_not_stand_for_all() -> None:
    rng = np.random.default_rng(2)
    noise = gaussian_filter(rng.normal(0, 1, (256, 256, 3)), (0.7, 0.7, 0))
    noise *= 0.05 / noise.std()
    dark = np.arange(256)[:, None, None] >= 180
    level, noisy = measured(np.where(dark, np.add(0.8 * noise, (0.03, 0.0, 0.02)), np.add(noise, (0.15, 0.06, 0.035))))
    true = noisy[:, :170].std((1, 2))
    assert np.allclose(level[:, :160].mean((1, 2)), true, rtol=0.15)
