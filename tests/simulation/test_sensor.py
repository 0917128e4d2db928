"""Shot and read noise have the variance a·x + b, and no bias."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.simulation.sensor import expose, typical_read_variance

SAMPLES = 200_000


@pytest.mark.parametrize("light", [0.0, 0.02, 0.3, 0.6])
@pytest.mark.parametrize(("shot", "read"), [(1e-4, 0.0), (1e-3, 1e-5), (1e-2, 2e-4)])
def test_variance_is_shot_times_light_plus_read(light: float, shot: float, read: float) -> None:
    raw = expose(np.full(SAMPLES, light), shot, read, np.random.default_rng(1))
    variance = shot * light + read
    # A sample variance has the relative variance (2 + kurtosis) / n; the excess kurtosis of electrons is a / x at most.
    spread = np.sqrt((2 + (shot / light if light else 0)) / SAMPLES)
    assert abs(raw.var() - variance) <= 5 * spread * variance
    assert abs(raw.mean() - light) <= 5 * np.sqrt(variance / SAMPLES)


def test_darkness_goes_below_zero_and_light_not_above_saturation() -> None:
    assert expose(np.zeros(1000), 1e-3, 1e-4, np.random.default_rng(0)).min() < -0.01
    assert expose(np.ones(1000), 1e-3, 1e-4, np.random.default_rng(0)).max() == 1


def test_bits_are_the_steps_of_the_converter() -> None:
    raw = expose(np.linspace(0, 1, 5000), 1e-3, 1e-5, np.random.default_rng(0), bits=6)
    np.testing.assert_allclose(raw * 63, np.rint(raw * 63), atol=1e-9)
    assert len(np.unique(np.rint(raw * 63))) > 50


def test_float32_stays_float32() -> None:
    assert expose(np.full((3, 5), 0.5, np.float32), 1e-3, 1e-5, np.random.default_rng(0), bits=10).dtype == np.float32


@pytest.mark.parametrize("shot", [1e-4, 1e-3, 0.012])
def test_typical_read_noise_is_about_one_electron(shot: float) -> None:
    assert 0.5 < np.sqrt(typical_read_variance(shot)) / shot < 2


def test_typical_read_variance_grows_a_little_faster_than_the_square() -> None:
    assert np.log(typical_read_variance(np.e * 1e-3) / typical_read_variance(1e-3)) == pytest.approx(2.18)
