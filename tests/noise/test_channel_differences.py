"""Differences of channels tell white noise from gray texture, and nothing of other noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.channel_differences import white_variance
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.regions import RegionSource

Array = NDArray[np.float64]


def _patches(picture: Array) -> tuple[Array, Array]:
    views = np.lib.stride_tricks.sliding_window_view(picture, (PATCH_PIXELS, PATCH_PIXELS), axis=(0, 1))[::8, ::8]
    patches = views.reshape(-1, picture.shape[2], PATCH_PIXELS, PATCH_PIXELS)
    return patches, ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3))


def _grass(sigma: float, blur: float = 0.0, seed: int = 0) -> Array:
    """Gray grass in three channels, each with noise of its own."""
    noise = np.random.default_rng(seed).normal(size=(200, 200, 3))
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0))
    grass = 0.2 + 0.6 * data.grass()[:200, :200, None] / 255
    noisy: Array = grass + sigma * noise / noise.std()
    return noisy


@settings(max_examples=5, deadline=None)
@given(st.floats(0.004, 0.06), st.integers(0, 2**31))
def test_white_noise_is_found_below_grass(sigma: float, seed: int) -> None:
    assert white_variance(*_patches(_grass(sigma, seed=seed))) == pytest.approx(sigma**2, rel=0.1)


@pytest.mark.parametrize("picture", [_grass(0.02, blur=0.8), _grass(0.02)[..., :1], np.zeros((64, 64, 3))])
def test_coarse_noise_and_gray_or_black_pictures_tell_nothing(picture: Array) -> None:
    assert white_variance(*_patches(picture)) is None


def test_the_level_of_a_picture_full_of_grass_is_that_of_its_noise() -> None:
    noisy = torch.from_numpy(_grass(0.016)).float().permute(2, 0, 1)[None]
    found = estimate_noise(RegionSource.of(noisy))
    assert found is not None
    assert 0.9 * 0.016 < found.level < 1.4 * 0.016
