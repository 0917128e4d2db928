"""The autocorrelation of a residual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.errors import UsageError
from unnoise.noise import autocorrelation


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 3), st.integers(0, 99))
def test_agrees_with_the_fourier_transform(height: int, width: int, channels: int, seed: int) -> None:
    residual = np.random.default_rng(seed).normal(3, 2, (height, width, channels) if channels else (height, width))
    radius = min(height, width) - 1
    centred = (residual - residual.mean(axis=(0, 1))).reshape(height, width, -1)
    size = (2 * height, 2 * width)
    spectrum = np.abs(np.fft.fft2(centred, size, axes=(0, 1))) ** 2
    sums = np.fft.ifft2(spectrum, axes=(0, 1)).real.sum(-1)
    counts = np.fft.ifft2(np.abs(np.fft.fft2(np.ones((height, width)), size)) ** 2).real
    shifts = np.arange(-radius, radius + 1)
    means = (sums / np.maximum(counts, 0.5))[np.ix_(shifts, shifts)]
    np.testing.assert_allclose(autocorrelation(residual, radius), means / means[radius, radius], atol=1e-9)


def test_white_noise_is_uncorrelated_and_averaging_neighbours_correlates() -> None:
    white = np.random.default_rng(0).normal(size=(300, 301))
    rho = autocorrelation(white, 2)
    assert rho[2, 2] == 1
    assert np.abs(np.delete(rho.ravel(), 12)).max() < 0.02
    rho = autocorrelation(white[:, 1:] + white[:, :-1], 2)
    np.testing.assert_allclose(rho[2], [0, 0.5, 1, 0.5, 0], atol=0.02)


def test_a_constant_residual_has_nothing_to_correlate() -> None:
    np.testing.assert_array_equal(autocorrelation(np.full((4, 5), 7.0), 1), [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(("shape", "radius", "word"), [((4,), 1, "shape"), ((4, 6), 4, "radius"), ((4, 6), -1, "radius")])
def test_says_what_does_not_fit(shape: tuple[int, ...], radius: int, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        autocorrelation(np.zeros(shape), radius)
