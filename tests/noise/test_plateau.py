"""A plateau of quiet patches is noise; patches that grow quieter and quieter are texture, unless a camera smoothed them."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.flat_patches import PatchSpectra
from unnoise.noise.frequency_bands import bands
from unnoise.noise.plateau import Plateaus, believed, plateaus

COUNT = 3000
LOW = np.arange(PATCH_PIXELS)[:, None] + np.arange(PATCH_PIXELS) < 12


def made(power: np.ndarray, scatter: float, seed: int = 0) -> Plateaus:
    """Patches whose powers scatter by a factor of e^scatter, with a spectrum (PATCH_PIXELS, PATCH_PIXELS)."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(COUNT, 1, PATCH_PIXELS, PATCH_PIXELS)) ** 2
    powers = power * noise * np.exp(scatter * random.normal(size=(COUNT, 1, 1, 1)))
    found = PatchSpectra(powers, np.full((COUNT, 1), 0.5), np.zeros((COUNT, 1)))
    return plateaus(found, np.full((COUNT, 1), power.mean()), power[None] / power.mean())


def test_noise_is_a_plateau_in_every_band() -> None:
    assert made(np.full((PATCH_PIXELS, PATCH_PIXELS), 4e-4), 0).trust.min() > 0.9


def test_texture_is_none() -> None:
    found = made(np.full((PATCH_PIXELS, PATCH_PIXELS), 4e-4), 0.7)
    assert found.trust.max() == 0
    assert found.doubt == 0


def test_fine_scatter_above_coarse_noise_is_noise_too() -> None:
    """As where black and white cut strong noise: its finest part varies more from place to place than the curve of brightness tells."""
    random = np.random.default_rng(0)
    scatter = np.where(bands() == 4, np.exp(0.7 * random.normal(size=(COUNT, 1, 1, 1))), 1)
    powers = 4e-4 * random.normal(size=(COUNT, 1, PATCH_PIXELS, PATCH_PIXELS)) ** 2 * scatter
    patches = PatchSpectra(powers, np.full((COUNT, 1), 0.5), np.zeros((COUNT, 1)))
    found = plateaus(patches, np.full((COUNT, 1), 4e-4), np.ones((1, PATCH_PIXELS, PATCH_PIXELS)))
    assert found.trust[-1] >= found.trust[:-1].max() > 0.9


def test_what_a_camera_smoothed_counts_as_noise_with_doubts() -> None:
    smooth = np.where(LOW, 1e-4, 1e-7)
    found = made(smooth, 0.7)
    assert found.smoothed == 1
    assert found.doubt == 1
    assert believed(smooth[None] / smooth.mean(), found) == pytest.approx(smooth[None] / smooth.mean(), rel=1e-6)


def test_white_noise_below_texture_is_kept_and_the_texture_is_not() -> None:
    spectrum = np.where(bands() >= 3, 1.0, 30.0)[None]
    kept = believed(spectrum, Plateaus(np.array([0.0, 0.0, 0.0, 1.0, 1.0]), 0.0))
    assert kept[0][bands() >= 0] == pytest.approx(1)


def test_every_frequency_but_the_mean_and_slopes_has_a_band() -> None:
    assert sorted(set(bands().ravel())) == [-1, 0, 1, 2, 3, 4]
    assert (bands() == -1).sum() == 3
