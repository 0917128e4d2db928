"""Patterns that fill a picture are found and filtered out; noise, edges and photographs' textures are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.noise.spectral_lines import BLOCK_PIXELS, _mean_free_powers, find_lines, without_lines
from unnoise.simulation.dead_leaves import dead_leaves

Array = np.ndarray[Any, Any]


def wave(period: float, angle: float, amplitude: float, side: int = 256) -> Array:
    y, x = np.mgrid[:side, :side]
    along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
    return (amplitude * np.sin(2 * np.pi / period * along + 0.3))[..., None].astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(period=st.floats(2.2, 8), angle=st.floats(0, 180), seed=st.integers(0, 99))
def test_a_wave_in_noise_is_found_and_nothing_but_the_noise_is_left(period: float, angle: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01, (256, 256, 1)).astype(np.float32)
    picture = 0.5 + wave(period, angle, 0.08) + noise
    lines = find_lines([picture])
    assert len(lines) == 1
    assert np.hypot(*lines[0]) == pytest.approx(1 / period, abs=0.02)
    rest = without_lines(picture, lines)[32:-32, 32:-32]
    assert rest.std() == pytest.approx(0.01, rel=0.12)  # of the wave's 0.057


@pytest.mark.parametrize("blur", [0, 1])
def test_noise_has_no_lines(blur: int) -> None:
    noise = np.random.default_rng(1).normal(size=(256, 256, 3)).astype(np.float32)
    for axis in (0, 1) * blur:
        noise = noise + np.roll(noise, 1, axis)
    assert find_lines([noise]) == []


def test_scenes_that_do_not_repeat_have_no_lines() -> None:
    random = np.random.default_rng(2)
    assert find_lines([dead_leaves(256, random.random((50, 3)), random).astype(np.float32)]) == []


def test_small_windows_tell_nothing() -> None:
    assert find_lines([wave(4, 0, 1, 100)]) == []


def test_the_finest_checkerboard_is_its_own_mirror_image() -> None:
    y, x = np.mgrid[:192, :192]
    picture = (0.5 + 0.1 * (-1.0) ** (x + y))[..., None].astype(np.float32)
    lines = find_lines([picture])
    assert [tuple(map(abs, line)) for line in lines] == [(0.5, 0.5)]
    assert np.abs(without_lines(picture, lines)[32:-32, 32:-32] - 0.5).max() < 0.005


def test_powers_are_those_of_a_fast_fourier_transform() -> None:
    blocks = np.random.default_rng(3).uniform(0, 1, (5, BLOCK_PIXELS, BLOCK_PIXELS)).astype(np.float32)
    taper = np.hanning(BLOCK_PIXELS + 1)[:BLOCK_PIXELS]
    exact = np.fft.rfft2((blocks - blocks.mean(axis=(1, 2), keepdims=True, dtype=np.float64)) * np.outer(taper, taper))
    expected = (np.abs(exact) ** 2).sum(axis=0)
    np.testing.assert_allclose(_mean_free_powers(blocks), expected, rtol=1e-4, atol=1e-5 * expected.mean())
