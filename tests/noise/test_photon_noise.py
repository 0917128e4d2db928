"""Counts of photons have the noise that their mean tells; other values have no such model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.noise.photon_noise import photon_noise
from unnoise.regions import RegionSource


@settings(max_examples=10)
@given(st.floats(1, 40), st.floats(0.5, 20), st.integers(0, 2**31))
def test_the_variance_is_the_mean_in_units_of_one_photon(photons: float, step: float, seed: int) -> None:
    columns = np.linspace(0.2, 1, 96)
    counts = np.random.default_rng(seed).poisson(photons * columns, (1, 1, 96, 96))
    model = photon_noise(RegionSource.of((step * counts).astype(np.float32)))
    if model is None:  # the lowest count may be above 0
        assert counts.min() > 0
        return
    mean = step * photons * 0.6
    brightness = np.full((1, 1, 1), mean, np.float32)
    assert model.variance_at(brightness).item() == pytest.approx(step * mean, rel=0.02)
    assert model.level == pytest.approx((step * mean) ** 0.5, rel=0.1)


def test_normal_noise_and_masks_have_no_such_model() -> None:
    draw = np.random.default_rng(0)
    assert photon_noise(RegionSource.of(draw.normal(100, 3, (1, 1, 96, 96)).astype(np.float32))) is None
    mask = np.zeros((1, 1, 96, 96), np.float32)
    mask[..., 20:60, 20:60] = 1
    assert photon_noise(RegionSource.of(mask)) is None
