"""Noise that black and white cut off leaves no bias where it was added to coded values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import unnoise
from unnoise.inference.cut_off_bias import without_cut_off_bias
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.regions import RegionSource

SIGMA = 10 / 255


def patches(seed: int = 0) -> NDArray[np.float32]:
    """16 plain patches of 64×64 pixels, a third of the values at black or white, (1, 3, 256, 256) in 0..1."""
    values = np.random.default_rng(seed).choice([0, 0.2, 0.4, 0.6, 0.8, 1], (3, 4, 4))
    return np.kron(values, np.ones((64, 64)))[None].astype(np.float32)


def noisy(clean: NDArray[np.float32], seed: int = 1) -> NDArray[np.float32]:
    added = clean + SIGMA * np.random.default_rng(seed).normal(size=clean.shape)
    return (np.round(255 * np.clip(added, 0, 1)) / 255).astype(np.float32)


def noise_of(picture: NDArray[np.float32]) -> NoiseModel:
    noise = estimate_noise(RegionSource.of(picture))
    assert noise is not None
    return noise


@pytest.mark.parametrize("scene", [0.0, 0.01, 0.03, 0.1, 0.5, 0.97, 1.0])
def test_the_mean_of_cut_off_noise_gives_the_scene(scene: float) -> None:
    noise = noise_of(noisy(patches()))
    seen = np.clip(scene + SIGMA * np.random.default_rng(3).normal(size=400_000), 0, 1).mean()
    mean = np.full((1, 3, 8, 8), seen, np.float32)
    corrected = without_cut_off_bias(mean, noise)
    # Near black, a mean that is off by one step moves the result by up to two.
    assert abs(corrected - scene).max() < 2.5 / 255
    assert abs(corrected - scene).max() <= abs(mean - scene).max() + 0.2 / 255


def test_values_stay_in_their_order_and_range() -> None:
    noise = noise_of(noisy(patches()))
    ramp = np.broadcast_to(np.linspace(0, 1, 1001, dtype=np.float32), (1, 3, 2, 1001))
    corrected = without_cut_off_bias(ramp, noise)
    assert corrected.min() == 0
    assert corrected.max() == 1
    assert (np.diff(corrected) > -1e-6).all()


def test_noise_of_a_sensor_is_left_to_the_correction_in_cells() -> None:
    from dataclasses import replace

    picture = noisy(patches())
    assert without_cut_off_bias(picture, replace(noise_of(picture), bent=1.0)) is picture
    assert without_cut_off_bias(picture, replace(noise_of(picture), bent=-1.0)) is picture


def test_plain_patches_at_black_and_white_lose_most_of_their_bias() -> None:
    clean = patches()
    picture = np.round(255 * noisy(clean)[0].transpose(1, 2, 0)).astype(np.uint8)
    result = unnoise.load("fast").denoise(picture, precision="float32").astype(float)
    cut = np.isin(clean[0].transpose(1, 2, 0), (0, 1))
    cut &= np.kron(np.ones((4, 4)), np.pad(np.ones((32, 32)), 16)).astype(bool)[..., None]  # the middles
    expected = 255 * clean[0].transpose(1, 2, 0)
    before, after = (abs((x - expected)[cut]).mean() for x in (picture.astype(float), result))
    assert after < before / 2
