"""Noise of random spectrum: mean, strength, correlation and dependence are what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.simulation.correlated_noise import NoiseSpectra

GREY = np.full((96, 128, 3), 0.5, np.float32)
PLAIN = {"white": 1, "directed": 0, "sharpened": 0, "blotches": 0, "rows": 0, "dependent": 0, "grey": 0, "jpeg": 0, "none": 0}


def _correlation(field: np.ndarray, rows: int, columns: int) -> float:
    a = field[rows:, columns:]
    b = field[: field.shape[0] - rows, : field.shape[1] - columns]
    return float(np.mean(a * b) / np.mean(field**2))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_pictures_are_in_range_and_rounded_to_8_bits(seed: int) -> None:
    scene = np.random.default_rng(seed).random((40, 48, 3)).astype(np.float32)
    noisy, clean = NoiseSpectra(unclipped=0).pair(scene, np.random.default_rng(seed))
    assert noisy.shape == clean.shape == scene.shape
    assert noisy.dtype == clean.dtype == np.float32
    assert clean.min() >= 0
    assert clean.max() <= 1
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    np.testing.assert_allclose(noisy * 255, np.rint(noisy * 255), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_a_field_has_mean_0_and_mean_square_1(seed: int) -> None:
    field = NoiseSpectra().field(64, 96, np.random.default_rng(seed))
    assert field.shape == (64, 96, 3)
    assert np.isfinite(field).all()
    assert np.mean(field**2) == pytest.approx(1, abs=1e-3)
    assert abs(field.mean()) < 0.5  # of coarse noise and of rows few values are independent


@pytest.mark.parametrize("steps", [1.0, 10.0])
def test_the_strength_is_the_one_asked_for(steps: float) -> None:
    spectra = NoiseSpectra(**PLAIN | {"unclipped": 1, "strength": (steps, steps)})
    for seed in range(5):
        noisy, clean = spectra.pair(GREY, np.random.default_rng(seed))
        assert (noisy - clean).std() * 255 == pytest.approx(steps, rel=0.03)


def test_none_leaves_the_picture_exactly() -> None:
    for seed in range(20):
        scene = np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.float32) / np.float32(255)
        noisy, clean = NoiseSpectra(none=1, unclipped=1).pair(scene, np.random.default_rng(seed))
        np.testing.assert_array_equal(noisy, clean)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_neighbours_correlate_as_a_gaussian_of_that_width_makes_them(sigma: float) -> None:
    """A Gaussian blur of σ gives noise whose correlation at distance d is exp(−d²/4σ²)."""
    field = NoiseSpectra(**PLAIN | {"white": 0, "correlation": (sigma, sigma)})
    measured = []
    for seed in range(60):
        values = field.field(128, 128, np.random.default_rng(seed))[..., 0]
        measured.append(_correlation(values, 0, 2))
    # three tenths of the fields have some white noise on top, which lowers it
    assert np.max(measured) == pytest.approx(np.exp(-4 / (4 * sigma**2)), abs=0.1)


def test_white_noise_does_not_correlate_and_the_draws_reach_from_white_to_four_pixels() -> None:
    white = [_correlation(NoiseSpectra(**PLAIN).field(96, 96, np.random.default_rng(seed)), 0, 1) for seed in range(20)]
    assert np.abs(white).max() < 0.05
    drawn = [_correlation(NoiseSpectra().field(96, 96, np.random.default_rng(seed)), 0, 4) for seed in range(120)]
    assert min(drawn) < 0.02
    assert max(drawn) > 0.3


def test_grey_pictures_have_three_equal_channels() -> None:
    scene = np.random.default_rng(0).random((32, 32, 3)).astype(np.float32)
    for seed in range(20):
        noisy, clean = NoiseSpectra(grey=1).pair(scene, np.random.default_rng(seed))
        for picture in (noisy, clean):
            np.testing.assert_array_equal(picture, np.repeat(picture[..., :1], 3, axis=2))


def test_noise_that_depends_on_brightness_rises_in_some_pictures_and_falls_in_others() -> None:
    scene = np.repeat(np.repeat(np.array([0.3, 0.7], np.float32), 64)[None, :, None], 64, axis=0).repeat(3, axis=2)
    ratios = []
    for seed in range(40):
        noisy, clean = NoiseSpectra(**PLAIN | {"dependent": 1, "unclipped": 1}).pair(scene, np.random.default_rng(seed))
        difference = noisy - clean
        ratios.append(difference[:, 64:].std() / difference[:, :64].std())
    assert min(ratios) < 0.8
    assert max(ratios) > 1.25
    assert np.mean(np.array(ratios) > 1) > 0.5  # light makes noise in most cameras, but a negative's is the other way round
