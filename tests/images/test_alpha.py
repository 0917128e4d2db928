"""Premultiplied colours become straight ones, and look the same over black."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.images.alpha import straight


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_over_black_the_picture_looks_the_same(dtype: str, channels: int) -> None:
    draw = np.random.default_rng(0)
    white = np.iinfo(dtype).max if dtype.startswith("u") else 1
    alpha = draw.random((40, 30, 1))
    pixels = (np.concatenate([draw.random((40, 30, channels - 1)) * alpha, alpha], -1) * white).astype(dtype)
    made = straight(pixels)
    assert made.dtype == dtype
    np.testing.assert_array_equal(made[..., -1], pixels[..., -1])
    shown = made[..., :-1].astype(float) * pixels[..., -1:] / white
    assert np.abs(shown - pixels[..., :-1]).max() <= (0.5 if white > 1 else 1e-3)


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("float32", 1.0)])
def test_noise_does_not_go_beyond_white(dtype: str, white: float) -> None:
    pixels = np.array([[[0.5 * white, 0.2 * white], [0.5 * white, 0]]]).astype(dtype)
    np.testing.assert_array_equal(straight(pixels)[0, :, 0], [white, 0])


def test_light_beyond_white_stays() -> None:
    np.testing.assert_array_equal(straight(np.array([[[3.0, 0.5]]], np.float32)), [[[3, 0.5]]])
