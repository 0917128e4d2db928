"""The blurs of lens and camera."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import gaussian

from unnoise.simulation.color import luma
from unnoise.simulation.filters import blur, sharpen, smooth_color

PICTURE = np.random.default_rng(0).uniform(0.3, 0.7, (19, 23, 3))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.3])
def test_blur_agrees_with_scikit_image(sigma: float) -> None:
    # scikit-image rounds its radius, so the same cut needs the share of sigma that gives ours.
    radius = int(np.ceil(3 * sigma))
    expected = gaussian(PICTURE, sigma, mode="nearest", truncate=radius / sigma, channel_axis=-1)
    np.testing.assert_allclose(blur(PICTURE, sigma), expected, atol=1e-9)


def test_no_blur_changes_nothing() -> None:
    np.testing.assert_array_equal(blur(PICTURE, 0.0), PICTURE)


def test_smoothing_colour_keeps_brightness_and_quietens_colour() -> None:
    smooth = smooth_color(PICTURE, 1.5)
    np.testing.assert_allclose(luma(smooth), luma(PICTURE), atol=1e-12)
    assert (smooth[..., 0] - smooth[..., 1]).std() < 0.3 * (PICTURE[..., 0] - PICTURE[..., 1]).std()


def test_sharpening_adds_the_difference_from_the_blur() -> None:
    quiet = 0.4 + 0.2 * PICTURE
    np.testing.assert_allclose(sharpen(quiet, 0.5), 1.5 * quiet - 0.5 * blur(quiet, 1.0))
    assert sharpen(PICTURE, 10).max() == 1
    assert sharpen(PICTURE, 10).min() == 0
