"""Diagonal differences tell white noise below grids and edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.diagonal_differences import bounded_spectrum, diagonal_variance

ALL = np.array([True])
WHITE = np.ones((1, PATCH_PIXELS, PATCH_PIXELS))


@given(sigma=st.floats(0.001, 10), columns=st.integers(2, 9), rows=st.integers(2, 9), seed=st.integers(0, 99))
def test_grids_do_not_count(sigma: float, columns: int, rows: int, seed: int) -> None:
    y, x = np.mgrid[:PATCH_PIXELS, :PATCH_PIXELS]
    grid = 1000.0 * (x // columns % 2) + 500.0 * (y // rows % 2)
    noise = np.random.default_rng(seed).normal(0, sigma, (60, 1, PATCH_PIXELS, PATCH_PIXELS))
    assert np.sqrt(diagonal_variance(noise + grid, np.ones((60, 1))))[0] == pytest.approx(2 * sigma, rel=0.05)


def test_a_spectrum_that_fits_stays() -> None:
    white = np.random.default_rng(0).normal(size=(200, 1, PATCH_PIXELS, PATCH_PIXELS))
    np.testing.assert_allclose(bounded_spectrum(WHITE, diagonal_variance(white, np.ones((200, 1))), ALL), WHITE)


def test_correlated_noise_that_fits_stays() -> None:
    noise = np.random.default_rng(0).normal(size=(400, 1, PATCH_PIXELS + 2, PATCH_PIXELS + 2))
    smooth = sum(noise[..., i : i + PATCH_PIXELS, j : j + PATCH_PIXELS] for i in range(3) for j in range(3))
    waves = np.pi * np.arange(PATCH_PIXELS) / PATCH_PIXELS
    one = (1 + 2 * np.cos(waves)) ** 2
    spectrum = (one[:, None] * one)[None]
    np.testing.assert_allclose(bounded_spectrum(spectrum, diagonal_variance(smooth, np.ones((400, 1))), ALL), spectrum)


@given(share=st.floats(0.001, 0.1))
def test_a_spectrum_that_holds_structure_is_lowered(share: float) -> None:
    falling = 1 / (1.0 + np.maximum(*np.indices((PATCH_PIXELS, PATCH_PIXELS)))[None]) ** 3
    expected = bounded_spectrum(falling, np.array([1e9]), ALL)  # all of it
    np.testing.assert_allclose(expected, falling)
    white = np.array([4 * share * falling[0, -1, -1]])
    lowered = bounded_spectrum(falling, white, ALL)
    assert lowered.max() < 3 * white[0] / 4
    assert (lowered <= falling).all()
    assert np.array_equal(bounded_spectrum(falling, white, ~ALL), falling)


def test_noise_that_grows_with_the_light_counts_by_its_level() -> None:
    level = np.linspace(0.01, 4, 300)[:, None]
    noise = np.sqrt(level)[..., None, None] * np.random.default_rng(0).normal(size=(300, 1, PATCH_PIXELS, PATCH_PIXELS))
    assert diagonal_variance(noise, level)[0] == pytest.approx(4, rel=0.03)
