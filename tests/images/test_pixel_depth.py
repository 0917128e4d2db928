"""Reducing bit depth for a file: every value is rounded to the nearest."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.errors import UsageError
from unnoise.images.pixels import to_depth


def test_every_16_bit_value_goes_to_the_nearest_of_8_bits() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    wanted = [round(Fraction(value * 255, 65535)) for value in range(65536)]
    np.testing.assert_array_equal(to_depth(every, ("uint8",)).ravel(), wanted)


@given(st.floats(-0.5, 1.5, width=16), st.sampled_from(["float16", "float32", "float64"]), st.sampled_from(["uint8", "uint16"]))
def test_floats_go_to_the_nearest_integer_and_are_clipped(value: float, dtype: str, depth: str) -> None:
    white = np.iinfo(depth).max
    result = to_depth(np.full((1, 1), value, dtype), ("uint8", depth))
    assert result.dtype == depth
    assert abs(int(result[0, 0]) - min(max(value, 0), 1) * white) <= 0.5 + white * 2**-23


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_the_file_holds_stays(dtype: str) -> None:
    pixels = np.arange(6).reshape(2, 3).astype(dtype)
    result = to_depth(pixels, ("uint8", "uint16", "float32"))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, pixels)


def test_half_floats_widen_where_floats_can_be_kept() -> None:
    pixels = np.array([[0.1, 7.0]], np.float16)
    result = to_depth(pixels, ("uint8", "uint16", "float32"))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize(("value", "fragment"), [(np.nan, "1 value that is NaN"), (255.0, "from 0 to 255")])
def test_floats_that_are_no_image_do_not_become_integers(value: float, fragment: str) -> None:
    with pytest.raises(UsageError, match=fragment):
        to_depth(np.array([[0, value]]), ("uint8", "uint16"))
