"""Mosaicing loses two colours of three; demosaicing gives back constants and ramps exactly, and pictures nearly."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from unnoise.simulation.demosaic import Array, Method, Pattern, demosaic, mosaic

METHODS: tuple[Method, ...] = get_args(Method)
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
methods = st.sampled_from(METHODS)
patterns = st.sampled_from(PATTERNS)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).uniform(size=shape)


@given(sizes, patterns, methods)
def test_known_values_are_kept(size: tuple[int, int], pattern: Pattern, method: Method) -> None:
    raw = noise(*size)
    picture = demosaic(raw, pattern, method)
    assert picture.shape == (*size, 3)
    np.testing.assert_array_equal(mosaic(picture, pattern), raw)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mosaic_takes_the_colours_that_the_pattern_names(pattern: Pattern) -> None:
    red_green_blue = np.broadcast_to(np.arange(3.0), (5, 7, 3))
    expected = ["RGB".index(letter) for letter in pattern]
    np.testing.assert_array_equal(mosaic(red_green_blue, pattern)[:2, :2].ravel(), expected)
    np.testing.assert_array_equal(mosaic(red_green_blue, pattern)[2:4, 4:6].ravel(), expected)


@given(sizes, patterns, methods, st.floats(0, 1))
def test_constants_are_exact_everywhere(size: tuple[int, int], pattern: Pattern, method: Method, value: float) -> None:
    np.testing.assert_allclose(demosaic(np.full(size, value), pattern, method), value, atol=1e-14)


@given(st.tuples(st.integers(2, 9), st.integers(2, 9)), patterns, methods)
def test_flat_colours_are_exact_to_the_edge(size: tuple[int, int], pattern: Pattern, method: Method) -> None:
    orange = np.broadcast_to([0.8, 0.5, 0.1], (*size, 3))
    np.testing.assert_allclose(demosaic(mosaic(orange, pattern), pattern, method), orange, atol=1e-14)


@given(patterns, methods, st.floats(-1, 1), st.floats(-1, 1))
def test_ramps_are_exact_inside(pattern: Pattern, method: Method, down: float, right: float) -> None:
    ramp = down * np.arange(11.0)[:, None] + right * np.arange(13.0)
    picture = demosaic(ramp, pattern, method)
    np.testing.assert_allclose(picture[2:-2, 2:-2], np.repeat(ramp[2:-2, 2:-2, None], 3, axis=-1), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_mirrored_pattern_gives_the_mirrored_picture(method: Method) -> None:
    raw = noise(8, 10)
    picture = demosaic(raw, "RGGB", method)
    np.testing.assert_allclose(demosaic(raw[:, ::-1], "GRBG", method)[:, ::-1], picture)
    np.testing.assert_allclose(demosaic(raw[::-1], "GBRG", method)[::-1], picture)
    np.testing.assert_allclose(demosaic(raw.T, "RGGB", method).transpose(1, 0, 2), picture)


def test_malvar_is_bilinear_plus_the_gradient_of_the_known_colour() -> None:
    """The paper's definition: gains 1/2, 5/8 and 3/4 on the Laplacian of the colour that the pixel sees."""
    raw = noise(12, 12)

    def at(dy: int, dx: int) -> Array:
        return np.roll(raw, (-dy, -dx), (0, 1))

    far = (at(-2, 0) + at(2, 0) + at(0, -2) + at(0, 2)) / 4
    corners = (at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1)) / 4
    same_row = 4 / 5 * corners + (at(0, -2) + at(0, 2)) / 5 - (at(-2, 0) + at(2, 0)) / 10
    smooth, sharp = demosaic(raw, "RGGB", "bilinear"), demosaic(raw, "RGGB", "malvar")
    added = sharp - smooth  # (12, 12, 3)
    red, green_in_red_row, blue = np.s_[4:8:2, 4:8:2], np.s_[4:8:2, 5:8:2], np.s_[5:8:2, 5:8:2]
    np.testing.assert_allclose(added[..., 1][red], 1 / 2 * (raw - far)[red])
    np.testing.assert_allclose(added[..., 2][red], 3 / 4 * (raw - far)[red])
    np.testing.assert_allclose(added[..., 0][blue], 3 / 4 * (raw - far)[blue])
    np.testing.assert_allclose(added[..., 0][green_in_red_row], 5 / 8 * (raw - same_row)[green_in_red_row])
    np.testing.assert_allclose(smooth[..., 0][green_in_red_row], (at(0, -1) + at(0, 1))[green_in_red_row] / 2)
    np.testing.assert_allclose(smooth[..., 2][green_in_red_row], (at(-1, 0) + at(1, 0))[green_in_red_row] / 2)
    np.testing.assert_allclose(smooth[..., 2][red], corners[red])


def test_malvar_beats_bilinear_on_a_photograph() -> None:
    picture = astronaut() / 255.0
    bilinear, malvar = (
        peak_signal_noise_ratio(picture, demosaic(mosaic(picture, "RGGB"), "RGGB", method).clip(0, 1)) for method in METHODS
    )
    assert malvar > bilinear + 2
