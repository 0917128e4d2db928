"""The last convolution: torch's, but for float32 results of rounded features."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
from unnoise.layers.triton.few_outputs import convolve_few_outputs, pack_taps


@settings(max_examples=15)
@given(
    st.integers(1, 2), st.sampled_from([3, 16, 20, 64, 96]), st.integers(1, 6), st.integers(1, 9),
    st.integers(1, 16), st.sampled_from([1, 3]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_same_as_torchs(
    batch: int, entering: int, height: int, width: int, leaving: int, side: int, replicate: bool, biased: bool
) -> None:
    x = torch.randn(batch, entering, height, width).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(leaving, entering, side, side), torch.randn(leaving) if biased else None
    around = (side // 2,) * 4
    padded = F.pad(x, around, mode="replicate") if replicate and side > 1 else F.pad(x, around)
    expected = F.conv2d(padded, weight, bias)
    result = convolve_few_outputs(x, pack_taps(weight), bias, leaving, replicate=replicate)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
