"""Layer normalisation of each pixel in one pass."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
from unnoise.layers.triton.norms import layer_norm


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 130), st.integers(1, 6), st.integers(1, 9), st.booleans())
def test_each_pixel_is_normalised(batch: int, channels: int, height: int, width: int, centred: bool) -> None:
    x = (torch.randn(batch, channels, height, width) + 3).contiguous(memory_format=torch.channels_last)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    expected = (x - mean if centred else x) * torch.rsqrt(variance + 1e-5)
    torch.testing.assert_close(layer_norm(x, 1e-5, centred=centred), expected, atol=1e-4, rtol=1e-4)
