"""Woven patterns: within their depth, as regular as they claim, of every period of their range."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.simulation.periodic_textures import DEPTH, PERIOD_PIXELS, weave

ROWS, COLUMNS = (np.arange(128.0)[:, None], np.arange(128.0)[None])


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_within_its_depth_and_the_seed_decides(seed: int) -> None:
    pattern = weave(ROWS, COLUMNS, np.random.default_rng(seed))
    assert np.abs(pattern).max() <= DEPTH[1]
    assert np.ptp(pattern) > 1.5 * DEPTH[0]
    np.testing.assert_array_equal(pattern, weave(ROWS, COLUMNS, np.random.default_rng(seed)))


def test_its_power_lies_in_few_frequencies_from_the_finest_to_the_coarsest() -> None:
    strongest, shares = [], []
    for seed in range(60):
        pattern = weave(ROWS, COLUMNS + 0 * ROWS, np.random.default_rng(seed)) * np.ones((128, 128))
        power = np.abs(np.fft.rfft2((pattern - pattern.mean()) * np.hanning(128) * np.hanning(128)[:, None])) ** 2
        frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None])
        strongest.append(frequency.flat[power.argmax()])
        shares.append(np.sort(power, axis=None)[-40:].sum() / power.sum())
    assert min(shares) > 0.6  # of white noise the 40 strongest of 8,320 hold 0.04
    assert min(strongest) < 1.5 / PERIOD_PIXELS[1]
    assert max(strongest) > 0.8 / PERIOD_PIXELS[0]
