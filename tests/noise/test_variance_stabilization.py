"""After stabilization noise is equally strong everywhere, and the fitted line stays below texture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from unnoise.noise.variance_stabilization import ANSCOMBE_SHARE, VarianceStabilization

SLOPES = st.floats(1e-6, 0.1)
OFFSETS = st.floats(0, 0.01)


@given(st.floats(1e-3, 0.1), OFFSETS, st.floats(0.01, 3))  # quadrature fails near the pole of smaller slopes
def test_the_curve_is_the_integral_of_the_inverse_deviation(slope: float, offset: float, x: float) -> None:
    stabilization = VarianceStabilization(slope, offset)
    at_zero = offset + ANSCOMBE_SHARE * slope**2
    if slope <= 1e-3 * offset:
        assert stabilization.forward(np.array([x]))[0] == x
        return
    whole, part = (quad(lambda t: (at_zero + slope * t) ** -0.5, 0, end, limit=200)[0] for end in (1, x))
    assert stabilization.forward(np.array([x]))[0] == pytest.approx(part / whole, rel=1e-5)


@given(SLOPES, OFFSETS, st.floats(-0.5, 3))
def test_the_derivative_is_that_of_the_curve(slope: float, offset: float, x: float) -> None:
    stabilization = VarianceStabilization(slope, offset)
    step = 1e-6 * max(abs(x), slope**2, 1e-3)
    low, middle, high = stabilization.forward(np.array([x - step, x, x + step]))
    if abs(x) > 2 * step:  # the curve has a corner of its second derivative at 0
        assert stabilization.derivative(np.array([middle]))[0] == pytest.approx((high - low) / (2 * step), rel=2e-2)


@given(st.integers(10, 1000), st.floats(0, 30), st.integers(0, 2**31))
def test_noise_of_photons_and_electronics_is_even_afterwards(photons: int, electronics: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    stabilization = VarianceStabilization(1 / photons, (electronics / photons) ** 2)
    spreads = []
    for x in (0.3, 1.0):
        values = (draw.poisson(x * photons, 20_000) + electronics * draw.standard_normal(20_000)) / photons
        spreads.append(stabilization.forward(values).std())
    assert spreads[0] == pytest.approx(spreads[1], rel=0.12)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(1, 50)), min_size=1, max_size=10), SLOPES, OFFSETS)
def test_a_fitted_line_is_never_above_a_point(points: list[tuple[float, float]], slope: float, offset: float) -> None:
    brightness, texture = np.array(sorted(points)).T
    variance = (offset + slope * brightness) * texture
    found = VarianceStabilization.fit(brightness, variance)
    assert found.slope >= 0
    assert found.offset >= 0
    assert (found.offset + found.slope * brightness <= 1.06 * variance + 1e-13).all()


def test_texture_at_some_brightness_does_not_move_the_line() -> None:
    brightness = np.linspace(0.05, 0.95, 10)
    variance = 1e-4 + 2e-3 * brightness
    variance[3:7] *= 8
    found = VarianceStabilization.fit(brightness, variance)
    assert found.slope == pytest.approx(2e-3, rel=0.15)
    assert found.offset == pytest.approx(1e-4, rel=0.5)


def test_gaps_stay() -> None:
    assert np.isnan(VarianceStabilization(1.0, 0.1).forward(np.array([np.nan]))[0])


@given(x=st.floats(0.01, 1), variance=st.floats(1e-6, 1))
def test_one_point_tells_no_slope(x: float, variance: float) -> None:
    assert VarianceStabilization.fit(np.array([x]), np.array([variance])) == VarianceStabilization(0.0, variance)
