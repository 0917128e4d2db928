"""Restormer's attention against its formula written out plainly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unnoise.denoisers.channel_attention import ChannelAttention
from unnoise.layers.norms import ChannelNorm

FORMATS = pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])


def _attention_as_in_the_paper(layer: ChannelAttention, x: torch.Tensor) -> torch.Tensor:
    """Eq. 1, one image and head after another."""
    heads = len(layer.temperature)
    results = []
    for image in layer.qkv_dwconv(layer.qkv(x)):
        queries, keys, values = image.flatten(1).chunk(3)
        parts = []
        for head, (q, k, v) in enumerate(zip(queries.chunk(heads), keys.chunk(heads), values.chunk(heads), strict=True)):
            cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).T
            parts.append(torch.softmax(layer.temperature[head] * cosines, dim=-1) @ v)
        results.append(torch.cat(parts).reshape(x.shape[1:]))
    return layer.project_out(torch.stack(results))


@FORMATS
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_attention(memory_format: torch.memory_format, heads: int, bias: bool) -> None:
    layer = ChannelAttention(12, heads, bias).double()
    torch.nn.init.normal_(layer.temperature)
    x = torch.randn(2, 12, 6, 5, dtype=torch.float64).contiguous(memory_format=memory_format)
    x[1, :, :3] = 0
    norm = ChannelNorm(12, "BiasFree", eps=1e-5).double()
    torch.testing.assert_close(layer(x, norm), x + _attention_as_in_the_paper(layer, norm(x)))


@FORMATS
def test_attention_of_nothing_learns_nothing_that_is_not_finite(memory_format: torch.memory_format) -> None:
    layer = ChannelAttention(4, 2, bias=False)
    nothing = torch.zeros(1, 4, 8, 8).contiguous(memory_format=memory_format).requires_grad_()
    layer(nothing, nn.Identity()).sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_attention_of_nothing_is_finite() -> None:
    """A masked input may be zero everywhere, and then so are the norms of queries and keys."""
    nothing = torch.zeros(1, 4, 8, 8)
    assert ChannelAttention(4, 2, bias=False)(nothing, nn.Identity()).isfinite().all()


def test_attention_does_not_overflow_in_half_precision() -> None:
    layer = ChannelAttention(4, 2, bias=False)
    for weight in (layer.qkv.weight, layer.qkv_dwconv.weight):
        torch.nn.init.constant_(weight, 1.0)
    x = torch.full((1, 4, 64, 64), 2.0)
    half = layer.half()(x.half(), nn.Identity()).float()
    torch.testing.assert_close(half, layer.float()(x, nn.Identity()), rtol=0.01, atol=0.01)
