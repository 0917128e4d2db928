"""White noise is not coarse at any level; noise that correlates over a pixel and more is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from unnoise.noise.coarse_noise import coarse_share
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.regions import RegionSource


def model(sigma: float, blur_pixels: float, seed: int) -> NoiseModel:
    draw = np.random.default_rng(seed)
    noise = draw.normal(size=(3, 160, 160))
    if blur_pixels:
        noise = gaussian_filter(noise, (0, blur_pixels, blur_pixels))
    noise *= sigma / 255 / noise.std()
    found = estimate_noise(RegionSource.of(torch.from_numpy(0.5 + noise[None]).float()))
    assert found
    return found


@settings(max_examples=6, deadline=None)
@given(sigma=st.floats(2, 20), seed=st.integers(0, 99))
def test_white_noise_is_not_coarse(sigma: float, seed: int) -> None:
    assert coarse_share(model(sigma, 0, seed)) == 0


@settings(max_examples=6, deadline=None)
@given(sigma=st.floats(2, 20), blur=st.floats(1.0, 1.6), seed=st.integers(0, 99))
def test_blurred_noise_is(sigma: float, blur: float, seed: int) -> None:
    assert coarse_share(model(sigma, blur, seed)) == 1


def test_what_may_be_texture_counts_less() -> None:
    noise = model(8, 1.3, 0)
    assert coarse_share(replace(noise, coarse_trust=0.25)) == 0.25 * coarse_share(noise)
