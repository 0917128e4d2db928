"""Sums of maps that are moved: the same as windows cut out of them and added."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.layers.rotations import shifted_window

pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
from unnoise.layers.triton.shifted_sum import shifted_sum

PLACE = st.tuples(st.integers(1, 9), st.integers(1, 11), st.integers(-7, 7), st.integers(-7, 7))


@settings(max_examples=15)
@given(
    st.integers(1, 2), st.sampled_from([1, 5, 130]), st.integers(1, 8), st.integers(1, 11),
    st.tuples(*[PLACE] * 4),
)  # fmt: skip
def test_the_same_as_windows_added(
    batch: int, channels: int, rows: int, columns: int, places: tuple[tuple[int, int, int, int], ...]
) -> None:
    bias = torch.randn(channels)
    maps = [
        (torch.randn(batch, channels, height, width).contiguous(memory_format=torch.channels_last), top, left)
        for height, width, top, left in places
    ]
    expected = bias[:, None, None] + sum(shifted_window(x, top, left, rows, columns) for x, top, left in maps)
    for activation, function in (("none", lambda y: y), ("relu", F.relu)):
        torch.testing.assert_close(shifted_sum(maps, bias, rows, columns, activation), function(expected), atol=1e-5, rtol=1e-4)
