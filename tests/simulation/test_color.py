"""Back to the sensor and forth again is where we started, but for blown highlights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2xyz

from unnoise.simulation.camera import Camera
from unnoise.simulation.color import Array, luma, srgb_decode, srgb_encode, to_display_light, to_sensor

GAINS = np.array([2.0, 1.0, 1.6])
MATRIX = np.array(Camera().color_matrix)
pixels = arrays(np.float64, (2, 3, 3), elements=st.floats(0, 1))


@given(pixels)
def test_transfer_function_and_its_inverse(picture: Array) -> None:
    np.testing.assert_allclose(srgb_encode(srgb_decode(picture)), picture, atol=1e-6)


def test_transfer_function_agrees_with_scikit_image() -> None:
    greys = np.repeat(np.linspace(0, 1, 1001)[:, None], 3, axis=1)
    luminance = rgb2xyz(greys)[:, 1]
    np.testing.assert_allclose(srgb_decode(greys[:, 0]), luminance, atol=1e-6)
    np.testing.assert_allclose(srgb_encode(luminance), greys[:, 0], atol=1e-6)


@given(pixels.map(lambda picture: 0.9 * picture))
def test_to_the_sensor_and_back(linear: Array) -> None:
    sensor = to_sensor(linear, GAINS, MATRIX)
    np.testing.assert_allclose(to_display_light(sensor * GAINS, MATRIX), linear, atol=1e-9)


@given(pixels)
def test_the_sensor_sees_no_more_than_it_holds(linear: Array) -> None:
    sensor = to_sensor(linear, GAINS, MATRIX)
    assert sensor.min() >= 0
    assert sensor.max() <= 1


def test_white_saturates_the_sensor_and_grey_divides_by_the_gains() -> None:
    np.testing.assert_allclose(to_sensor(np.ones((1, 1, 3)), GAINS, MATRIX)[0, 0], 1)
    np.testing.assert_allclose(to_sensor(np.full((1, 1, 3), 0.5), GAINS, MATRIX)[0, 0], 0.5 / GAINS)


def test_luma_of_grey_is_grey_and_green_is_brightest() -> None:
    assert luma(np.full((1, 1, 3), 0.3))[0, 0] == pytest.approx(0.3)
    red, green, blue = luma(np.eye(3)[None])[0]
    assert green > red > blue
