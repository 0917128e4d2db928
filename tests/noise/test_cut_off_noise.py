"""The noise at black and white is told by what is cut off there, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise.noise.cut_off_noise import LARGEST_FACTOR, cut_off_sigma, with_cut_off_noise


def patches(sigma: float, scene: float, seed: int = 0, coarse: float = 0.0) -> NDArray[np.float32]:
    """50 patches of one scene in standard deviations of the noise, (50, 1, 16, 16)."""
    noise = np.random.default_rng(seed).normal(size=(50, 1, 16, 16))
    if coarse:
        noise = gaussian_filter(noise, coarse, axes=(2, 3), mode="wrap")
        noise /= noise.std()
    return np.clip(sigma * (scene + noise), 0, 1).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.01, 0.15), scene=st.floats(-0.2, 0.2), coarse=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 99))
def test_noise_at_either_end_is_told(sigma: float, scene: float, coarse: float, seed: int) -> None:
    dark = patches(sigma, scene, seed, coarse)
    assert cut_off_sigma(dark)[0, 0] == pytest.approx(sigma, rel=0.15)
    assert cut_off_sigma(1 - dark)[0, 1] == pytest.approx(sigma, rel=0.15)


def test_black_and_white_drawings_tell_nothing() -> None:
    drawing = np.zeros((50, 1, 16, 16), np.float32)
    drawing[..., :8] = 0.7
    assert np.isnan(cut_off_sigma(drawing)).all()
    assert np.isnan(cut_off_sigma(np.full((50, 1, 16, 16), 0.5, np.float32))).all()
    assert np.isnan(cut_off_sigma(patches(0.1, 0.0)[:4])).all()  # too few


def test_noise_grows_towards_the_end_where_it_is_cut_off() -> None:
    brightness = np.linspace(0, 1, 65)
    told = np.full((1, 65), 0.06)
    raised = with_cut_off_noise(told, brightness, patches(0.1, 0.0))
    assert raised[0, 0] == pytest.approx(0.1, rel=0.1)
    assert np.array_equal(raised[0, 32:], told[0, 32:])
    assert (np.diff(raised[0, :33]) <= 0).all()
    assert with_cut_off_noise(np.full((1, 65), 0.01), brightness, patches(0.1, 0.0))[0, 0] == 0.01 * LARGEST_FACTOR
    assert np.array_equal(with_cut_off_noise(np.full((1, 65), 0.2), brightness, patches(0.1, 0.0)), np.full((1, 65), 0.2))
