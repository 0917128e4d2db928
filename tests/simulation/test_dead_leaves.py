"""Dead leaves: any size, the palette's colours, edges and detail at all scales as photographs have them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from unnoise.simulation import dead_leaves as leaves
from unnoise.simulation.dead_leaves import dead_leaves

PALETTE = (astronaut()[::16, ::16].reshape(-1, 3) / 255).astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(st.integers(4, 96), st.integers(0, 2**32))
def test_any_size_and_the_seed_decides(side: int, seed: int) -> None:
    picture = dead_leaves(side, PALETTE, np.random.default_rng(seed))
    assert picture.shape == (side, side, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    np.testing.assert_array_equal(picture, dead_leaves(side, PALETTE, np.random.default_rng(seed)))


def test_colours_are_the_palettes() -> None:
    red = np.array([[0.8, 0.2, 0.1], [0.4, 0.1, 0.05]], np.float32)
    picture = dead_leaves(64, red, np.random.default_rng(0)).reshape(-1, 3)
    inside = picture[picture[:, 0] < 0.99]
    assert np.allclose(inside[:, 1], inside[:, 0] / 4, atol=0.03)  # light and shade leave the hue


def test_the_spectrum_falls_as_photographs_do() -> None:
    """Power falls with about the square of the frequency: neither noise (0) nor mere blobs (4)."""
    power = np.zeros((128, 128))
    for seed in range(12):
        picture = dead_leaves(128, PALETTE, np.random.default_rng(seed)).mean(axis=2)
        power += abs(np.fft.fft2(picture - picture.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    band = (frequency > 3 / 128) & (frequency < 0.3)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -3 < slope < -1.2


def test_as_many_leaves_are_woven_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def black(along: np.ndarray, across: np.ndarray, _: np.random.Generator) -> np.ndarray:
        seen.append(float(np.abs(along).max()))
        return -np.ones(np.broadcast_shapes(along.shape, across.shape))

    monkeypatch.setattr(leaves, "weave", black)
    for share, dark in ((0.0, 0.0), (1.0, 0.9)):
        monkeypatch.setattr(leaves, "WOVEN_SHARE", share)
        picture = dead_leaves(64, np.full((1, 3), 0.5, np.float32), np.random.default_rng(0))
        assert (picture == 0).mean() == pytest.approx(dark, abs=0.1)
    assert 8 < max(seen) < 64  # in pixels, not in radii
