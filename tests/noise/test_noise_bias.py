"""Whether a curve has bent the noise is told by its skewness, and how far means are off agrees with what is simulated."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.noise_bias import bent_share, shifts
from unnoise.photometry.srgb import srgb_decode, srgb_encode


def patches(bent: bool, sigma: float = 0.05) -> np.ndarray:
    """2,000 plain patches of 0.2 to 0.6 with noise in linear light, or in coded values."""
    random = np.random.default_rng(0)
    brightness = random.uniform(0.2, 0.6, (2000, 1, 1, 1))
    noise = random.normal(size=(2000, 1, PATCH_PIXELS, PATCH_PIXELS))
    if not bent:
        return (brightness + sigma * noise).astype(np.float32)
    slope = 2.4 * ((brightness + 0.055) / 1.055) ** 1.4 / 1.055
    return srgb_encode(srgb_decode(brightness) + sigma * slope * noise).astype(np.float32)


def told(patches: np.ndarray) -> float:
    cut = ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3))
    return bent_share(patches, patches.mean(axis=(2, 3)), patches.var(axis=(2, 3)), cut)


def test_noise_of_linear_light_is_told_from_noise_of_coded_values() -> None:
    assert told(patches(bent=True)) > 0.9
    assert told(patches(bent=False)) == 0


def test_noise_of_a_negative_is_skewed_the_other_way() -> None:
    assert told(1 - patches(bent=True)) == -1
    assert told(1 - patches(bent=False)) == 0


def test_photons_are_skewed_the_other_way_but_less_and_in_the_dark() -> None:
    random = np.random.default_rng(3)
    light = random.uniform(0.1, 0.5, (2000, 1, 1, 1))
    counted = random.poisson(200 * light, (2000, 1, PATCH_PIXELS, PATCH_PIXELS)) / 200
    assert told(counted.astype(np.float32)) == 0


def test_edges_in_the_quietest_patches_tell_nothing() -> None:
    mixed = patches(bent=False)
    mixed[::3, ..., :2] = 0.9  # a bright line at the edge of every third patch, from which a skewness of 1.5 and more follows
    assert told(mixed) == told(patches(bent=False))


def test_dark_scenes_tell_a_negative_by_where_noise_is_cut_off() -> None:
    random = np.random.default_rng(4)
    dark = np.clip(0.05 + 0.08 * random.normal(size=(500, 3, PATCH_PIXELS, PATCH_PIXELS)), 0, 1).astype(np.float32)
    assert told(dark) == 1
    assert told(1 - dark) == -1


def test_where_nothing_can_be_told_noise_counts_as_a_sensors() -> None:
    assert told(patches(bent=False, sigma=0.002)) == 1
    assert told(np.zeros((100, 1, PATCH_PIXELS, PATCH_PIXELS), np.float32)) == 1


@pytest.mark.parametrize("scene", [0.0, 0.02, 0.1, 0.5, 0.95, 1.0])
def test_cut_off_noise_shifts_means_as_simulated(scene: float) -> None:
    sigma = 0.06
    seen = np.clip(scene + sigma * np.random.default_rng(1).normal(size=400_000), 0, 1).mean()
    brightness = np.linspace(0, 1, 65)
    below, above = (np.interp(seen, brightness, curve) for curve in shifts(brightness, np.full(65, sigma), bent=0))
    assert below + above == pytest.approx(seen - scene, abs=0.004)


def test_shifts_of_a_negative_are_those_of_its_photograph_with_the_other_sign() -> None:
    brightness = np.linspace(0, 1, 65)
    sigma = np.linspace(0.02, 0.06, 65)
    below, above = shifts(brightness, sigma, bent=1)
    of_negative = shifts(brightness, sigma[::-1], bent=-1)
    assert np.allclose(of_negative[0], -above[::-1], atol=2e-3)
    assert np.allclose(of_negative[1], -below[::-1], atol=2e-3)


@pytest.mark.parametrize("scene", [0.2, 0.4, 0.7])
def test_bent_noise_lies_below_the_scene_as_simulated(scene: float) -> None:
    linear = srgb_decode(np.float64(scene))
    slope = 2.4 * ((scene + 0.055) / 1.055) ** 1.4 / 1.055
    seen = srgb_encode(np.clip(linear + 0.04 * slope * np.random.default_rng(2).normal(size=400_000), 0, 1))
    brightness = np.linspace(0, 1, 65)
    below, _ = shifts(brightness, np.full(65, 0.04), bent=1)
    assert np.interp(seen.mean(), brightness, below) == pytest.approx(seen.mean() - scene, rel=0.15)
