"""Extreme floats: moved to moderate ones and back without losing what they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.photometry.rescaling import FAR, INSIDE, LARGE, SMALL, choose_rescaling


@given(st.floats(-300, 300), st.floats(0, 1), st.booleans())
def test_pictures_come_to_lie_where_float32_holds_them_and_go_back(exponent: float, least: float, negative: bool) -> None:
    values = np.linspace(least, 1, 50) * 10.0**exponent * (-1 if negative else 1)
    span = choose_rescaling(values.min(), values.max())
    if span is None:
        assert np.ptp(values) >= np.abs(values).max() / FAR
        assert SMALL <= np.abs(values).max() <= LARGE
        return
    seen = span.forward(values)
    assert seen.dtype == np.float32
    width = np.ptp(values)
    if width == 0:
        assert np.array_equal(span.inverse(seen, np.float64), values)
        return
    assert INSIDE[0] / 4 <= np.abs(seen).max() <= INSIDE[1] or width < 1e-290
    lost = 1e-6 * width + (1e-15 if span.shift else 1e-7) * np.abs(values).max()  # float32's digits, unless it was moved
    assert np.abs(span.inverse(seen, np.float64) - values).max() <= lost
    assert np.array_equal(span.forward(torch.from_numpy(values)).numpy(), seen)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**-12, 2.0**25, 2.0**60])
def test_a_factor_changes_no_digit(scale: float) -> None:
    values = np.random.default_rng(0).random(100).astype(np.float32) * np.float32(scale)
    span = choose_rescaling(float(values.min()), float(values.max()))
    assert span is not None
    assert math.log2(span.factor).is_integer()
    assert np.array_equal(span.inverse(span.forward(values), np.float32), values)


def test_moderate_pictures_are_left_alone() -> None:
    for low, high in ((0, 1), (-0.2, 1.3), (0, 65535), (100, 4000), (0, 0), (0.01, 0.02)):
        assert choose_rescaling(low, high) is None
