"""Peaks of patches' spectra are left out, and noise stays as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise.noise.autocovariance import PATCH_PIXELS, dct_powers
from unnoise.noise.spectral_peaks import without_peaks

Array = NDArray[np.float64]


def _powers(picture: Array) -> Array:
    views = np.lib.stride_tricks.sliding_window_view(picture, (PATCH_PIXELS, PATCH_PIXELS))[::5, ::5]
    return dct_powers(views.reshape(-1, 1, PATCH_PIXELS, PATCH_PIXELS).astype(np.float32))[0]


@pytest.mark.parametrize(("blur", "kept"), [(0.0, 0.99), (0.6, 0.98), (1.0, 0.97), (1.5, 0.9), (2.0, 0.8)])
def test_noise_keeps_its_power(blur: float, kept: float) -> None:
    noise = np.random.default_rng(0).normal(size=(400, 400))
    powers = _powers(gaussian_filter(noise, blur) if blur else noise)
    left = without_peaks(powers)[..., 1:, 1:].sum() / powers[..., 1:, 1:].sum()
    assert kept < left < 1.02


@given(
    period=st.floats(3, 14), angle=st.floats(0, np.pi), amplitude=st.floats(10, 60), seed=st.integers(0, 99)
)  # in units of the noise
def test_waves_of_any_direction_are_not_noise(period: float, angle: float, amplitude: float, seed: int) -> None:
    y, x = np.mgrid[:160, :160]
    wave = amplitude * np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
    noise = np.random.default_rng(seed).normal(size=wave.shape)
    powers = _powers(wave + noise)
    held, left = (np.median(each[..., 1:, 1:].mean(axis=(2, 3))) for each in (powers, without_peaks(powers)))
    assert left < max(3, 0.75 * held)


@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_scale_does_not_matter(scale: float, seed: int) -> None:
    powers = np.random.default_rng(seed).chisquare(1, (60, 2, PATCH_PIXELS, PATCH_PIXELS))
    np.testing.assert_allclose(without_peaks(scale * powers), scale * without_peaks(powers), rtol=1e-6)


def test_channels_are_judged_by_themselves() -> None:
    powers = np.random.default_rng(0).chisquare(1, (60, 2, PATCH_PIXELS, PATCH_PIXELS))
    powers[:, 1] *= 1e4
    alone = without_peaks(powers[:, :1])
    np.testing.assert_allclose(without_peaks(powers)[:, :1], alone)


def test_patches_without_anything_stay_empty() -> None:
    assert not without_peaks(np.zeros((50, 1, PATCH_PIXELS, PATCH_PIXELS))).any()
