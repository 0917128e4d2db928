"""What holds for any measurement: scale and offset, order of channels, independent pages, means, sums, a second call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise

Picture = NDArray[Any]
few = settings(max_examples=5, deadline=None, derandomize=True)
seeds = st.integers(0, 2**31)


def measurement(seed: int, side: int = 96) -> Picture:
    """Blobs with photon noise and read noise, float64, all above 2 units."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((side, side)), 5)
    clean = 200 + 2000 * (smooth - smooth.min()) / np.ptp(smooth)
    noisy: Picture = rng.poisson(clean) + rng.normal(0, 5, clean.shape)
    return noisy


def denoise(x: Picture, **options: Any) -> Picture:
    made: Picture = unnoise.denoise(x, "fast", precision="float32", **options)
    return made


@few
@given(seed=seeds, scale=st.floats(1e-6, 1e6), offset=st.floats(0, 1e3))
def test_scale_and_offset_make_no_difference(seed: int, scale: float, offset: float) -> None:
    x = measurement(seed)
    # Offsets below 0 would bring values to black, where results are clipped.
    y, other = denoise(x), denoise(scale * (x + offset))
    inner = slice(12, -12), slice(12, -12)  # the network's padding with zeros shows in the corners
    rounding = 1e-6 * (np.ptp(x) + offset)  # all that differs where the picture was left as it is
    assert abs(other / scale - offset - y)[inner].max() < max(0.02 * np.std(x - y), rounding)


@few
@given(seed=seeds)
def test_the_order_of_channels_and_pages_makes_no_difference(seed: int) -> None:
    stack = np.stack([measurement(seed + number, 64) for number in range(3)])
    order = np.random.default_rng(seed).permutation(3)
    for axes in ("CYX", "ZYX"):
        assert np.array_equal(denoise(stack[order], axes=axes), denoise(stack, axes=axes)[order])
    assert np.array_equal(denoise(stack, axes="ZYX")[1], denoise(stack[1]))


@few
@given(seed=seeds, level=st.floats(20, 5000))
def test_means_of_plain_places_and_sums_stay(seed: int, level: float) -> None:
    x = np.random.default_rng(seed).poisson(level, (128, 128)).astype(np.float32)
    y = denoise(x)
    change = (y - x).reshape(4, 32, 4, 32).mean((1, 3))
    assert abs(change).max() < 3 * np.sqrt(level) / 32
    assert y.sum(dtype=float) == pytest.approx(x.sum(dtype=float), rel=1e-3)
    scene = measurement(seed)
    assert denoise(scene).sum() == pytest.approx(scene.sum(), rel=1e-3)


@few
@given(seed=seeds)
def test_a_second_call_changes_less_than_the_noise(seed: int) -> None:
    x = measurement(seed)
    once = denoise(x)
    assert np.std(denoise(once) - once) < 0.35 * np.std(x - once)
