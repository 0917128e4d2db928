"""Layer norms against torch's own, in both memory formats."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unnoise.layers.norms import ChannelNorm, NormKind

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


@pytest.mark.parametrize("kind", ["BiasFree", "WithBias"])
@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_a_norm_taken_into_the_next_layer_is_near_in_eight_bits(kind: NormKind, mean: float) -> None:
    norm, layer = ChannelNorm(48, kind, 1e-5), nn.Conv2d(48, 8, 1)
    x = (torch.randn(1, 48, 9, 11) + mean).bfloat16().contiguous(memory_format=torch.channels_last)
    expected = layer(norm(x.float()))
    with torch.no_grad():
        weight, bias = norm.fold_into((layer.weight, layer.bias))
        result = F.conv2d(norm.normalize(x).float(), weight, bias)
    assert ((result - expected).norm() / expected.norm()).item() < 0.01
