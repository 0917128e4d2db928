"""Tone curves: monotone, within range, and of many kinds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.simulation.tone_curves import toned

RAMP = np.linspace(0, 1, 256, dtype=np.float32)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_monotone_and_within_range(seed: int) -> None:
    curve = toned(RAMP, np.random.default_rng(seed))
    assert curve.dtype == np.float32
    assert curve.min() >= 0
    assert curve.max() <= 1
    assert np.all(np.diff(curve) >= -1e-6)
    assert np.ptp(curve) > 0.15


def test_brighter_darker_flatter_steeper_and_none() -> None:
    curves = np.array([toned(RAMP, np.random.default_rng(seed)) for seed in range(200)])
    middle, slope = curves[:, 128], np.diff(curves[:, 96:160], axis=1).mean(axis=1) * 255
    assert middle.min() < 0.3
    assert middle.max() > 0.7
    assert slope.min() < 0.5
    assert slope.max() > 1.5
    assert 0.25 < np.mean(np.all(curves == RAMP, axis=1)) < 0.55
    whole = (curves[:, 0] == 0) & (curves[:, -1] == 1) & np.all(np.diff(curves, axis=1) > 0, axis=1)
    assert np.mean(whole & (middle < 0.4)) > 0.05  # power laws of either kind
    assert np.mean(whole & (middle > 0.6)) > 0.05
