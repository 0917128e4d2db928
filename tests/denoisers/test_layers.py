"""The shared layers against torch's own, in both memory formats."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from unnoise.denoisers.layers import ChannelNorm, halved, mix_channels

FORMATS = pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])


@FORMATS
def test_norm_with_bias_is_torchs(memory_format: torch.memory_format) -> None:
    layer = ChannelNorm(6, "WithBias", eps=1e-5).double()
    assert layer.bias is not None
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64).contiguous(memory_format=memory_format)
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (6,), layer.weight, layer.bias, 1e-5).permute(0, 3, 1, 2)
    torch.testing.assert_close(layer(x), expected)


@FORMATS
def test_norm_without_bias_keeps_the_mean(memory_format: torch.memory_format) -> None:
    layer = ChannelNorm(6, "BiasFree", eps=1e-5).double()
    torch.nn.init.normal_(layer.weight)
    x = (3 + torch.randn(2, 6, 4, 3, dtype=torch.float64)).contiguous(memory_format=memory_format)
    expected = x / torch.sqrt(x.var(1, correction=0, keepdim=True) + 1e-5) * layer.weight.view(1, 6, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@FORMATS
def test_mixed_channels_keep_the_memory_format(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 6, 4, 3).contiguous(memory_format=memory_format)
    matrices = torch.randn(2, 5, 6)
    mixed = mix_channels(matrices, x)
    assert mixed.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(mixed, torch.einsum("boc,bchw->bohw", matrices, x))


@given(st.integers(2, 9), st.integers(2, 9), st.booleans(), st.booleans(), st.sampled_from([torch.float32, torch.bfloat16]))
def test_halved_is_pooling(height: int, width: int, last: bool, gradient: bool, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height)).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    with torch.set_grad_enabled(gradient):
        assert torch.equal(halved(x), F.max_pool2d(x, 2))
