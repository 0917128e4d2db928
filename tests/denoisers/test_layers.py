"""The shared layers against torch's own, in both memory formats."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unnoise.denoisers import layers
from unnoise.denoisers.layers import ChannelNorm, NormKind, channel_sums, halved, last_layer, mix_channels

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


@given(st.integers(2, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.sampled_from(["zeros", "replicate"]), st.booleans())
def test_last_layers_round_only_the_difference(height: int, width: int, kernel: int, mode: Any, biased: bool) -> None:
    """Of 8 bits of mantissa nothing is seen in a bright picture that differs little from the one it is near to."""
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 3, kernel, padding=kernel // 2, padding_mode=mode, bias=biased)
    features = torch.randn(2, 16, height, width).bfloat16()
    layer.weight.data = layer.weight.bfloat16().float()  # so that the products are exact
    with torch.no_grad():
        exact = layer(features.float())
        near = exact + 0.01 * torch.randn_like(exact)
        with torch.autocast("cpu", torch.bfloat16):
            assert (last_layer(layer, features, near) - exact).abs().max() < 0.05 / 2**8
            torch.testing.assert_close(last_layer(layer, features), exact)
        torch.testing.assert_close(last_layer(layer, features.float(), near), exact)  # in float32 nothing is rounded at all


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 9)),
    batch=st.integers(1, 3),
    channels=st.sampled_from([(8, 1), (24, 3), (40, 4)]),
    mode=st.sampled_from(["zeros", "replicate"]),
    biased=st.booleans(),
    memory_format=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_a_last_layer_by_its_taps_is_the_convolution(
    size: tuple[int, int],
    batch: int,
    channels: tuple[int, int],
    mode: Any,
    biased: bool,
    memory_format: torch.memory_format,
) -> None:
    """Where no gradient is wanted, some rows after the others; where one is, it is the convolution itself."""
    torch.manual_seed(0)
    layer = nn.Conv2d(*channels, 3, padding=1, padding_mode=mode, bias=biased)
    x = torch.randn(batch, channels[0], *size).contiguous(memory_format=memory_format)
    exact = layer(x)
    assert torch.equal(last_layer(layer, x), exact)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "PIECE", 1)
        patch.setattr(layer, "forward", lambda x: pytest.fail("that would be the convolution itself"))
        assert (last_layer(layer, x) - exact).abs().max() <= 1e-5 * exact.abs().max()


@pytest.mark.parametrize("channels", [(16, 3), (128, 5)])
def test_other_last_layers_are_convolutions_at_inference_too(channels: tuple[int, int]) -> None:
    layer = nn.Conv2d(*channels, 3, padding=1)
    x = torch.randn(1, channels[0], 8, 8)
    with torch.inference_mode():
        assert torch.equal(last_layer(layer, x), layer(x))


def test_sums_along_channels_are_exact_to_more_bits_than_their_type_has() -> None:
    x = (torch.randn(2, 40, 5, 7) + 2).bfloat16().contiguous(memory_format=torch.channels_last)
    expected = x.double().sum(1, keepdim=True)
    with torch.no_grad():
        assert (channel_sums(x).double() / expected - 1).abs().max() < 2e-5
        assert (channel_sums(x, exactly=False).double() / expected - 1).abs().max() < 2**-7
    torch.testing.assert_close(channel_sums(x.float()), x.float().sum(1, keepdim=True))


@pytest.mark.parametrize("kind", ["BiasFree", "WithBias"])
@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_a_norm_taken_into_the_next_layer_is_near_in_eight_bits(kind: NormKind, mean: float) -> None:
    norm, layer = ChannelNorm(48, kind, 1e-5), nn.Conv2d(48, 8, 1)
    x = (torch.randn(1, 48, 9, 11) + mean).bfloat16().contiguous(memory_format=torch.channels_last)
    expected = layer(norm(x.float()))
    with torch.no_grad():
        weight, bias = norm.into((layer.weight, layer.bias))
        result = F.conv2d(norm.unscaled(x).float(), weight, bias)
    assert ((result - expected).norm() / expected.norm()).item() < 0.01
