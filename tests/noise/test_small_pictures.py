"""The bound for small pictures is the noise where they are plain, and no less where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.noise.small_pictures import MOST_PIXELS, small_picture_noise
from unnoise.regions import RegionSource


def view(pixels: np.ndarray) -> RegionSource:
    """(C, H, W)."""
    return RegionSource.of(pixels[None].astype(np.float32))


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    slope=st.floats(0, 0.05),
    level=st.sampled_from([0.002, 0.02, 0.1]),
    seed=st.integers(0, 99),
)
def test_slopes_are_no_noise_and_noise_is_found(height: int, width: int, slope: float, level: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    clean = slope * (np.arange(height)[:, None] + 2 * np.arange(width))
    found = small_picture_noise(view(clean + draw.normal(0, level, (3, height, width))), faint=1e-5)
    if max(height, width) < 5:
        assert found is None
        return
    assert found is not None
    samples = height * max(width - 4, 0) + width * max(height - 4, 0)
    if samples > 300:
        assert 0.75 * level < found.level < 1.3 * level


def test_structure_makes_it_higher() -> None:
    draw = np.random.default_rng(0)
    noise = 0.01 * draw.normal(size=(1, 24, 24))
    checkers = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((2, 2)))
    plain, busy = (small_picture_noise(view(0.5 + x), faint=1e-5) for x in (noise, noise + 0.1 * checkers))
    assert plain is not None
    assert busy is not None
    assert busy.level > 5 * plain.level


def test_faint_noise_is_none_and_large_pictures_are_not_told() -> None:
    draw = np.random.default_rng(0)
    faint = small_picture_noise(view(0.5 + 1e-4 * draw.normal(size=(3, 16, 16))), faint=1e-3)
    assert faint is not None
    assert faint.is_none
    assert small_picture_noise(view(np.zeros((1, 65, MOST_PIXELS // 64))), faint=1e-3) is None


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_gaps_do_not_count(share: float) -> None:
    draw = np.random.default_rng(0)
    pixels = 0.5 + 0.02 * draw.normal(size=(1, 24, 24))
    pixels[:, : round(24 * share)] = np.nan
    found = small_picture_noise(view(pixels), faint=1e-3)
    assert (found is None) == (share == 1)
    assert found is None or 0.015 < found.level < 0.025
