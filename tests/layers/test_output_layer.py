"""Last layers against the convolutions that they are, and what of the image they round."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unnoise.layers import output_layer as last
from unnoise.layers.output_layer import output_convolution


@given(st.integers(2, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.sampled_from(["zeros", "replicate"]), st.booleans())
def test_last_layers_round_only_the_difference(height: int, width: int, kernel: int, mode: Any, biased: bool) -> None:
    """Of 8 bits of mantissa nothing is seen in a bright picture that differs little from the one it is near to."""
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 3, kernel, padding=kernel // 2, padding_mode=mode, bias=biased)
    features = torch.randn(2, 16, height, width).bfloat16()
    layer.weight.data = layer.weight.bfloat16().float()  # so that the products are exact
    with torch.no_grad():
        exact = layer(features.float())
        residual_base = exact + 0.01 * torch.randn_like(exact)
        with torch.autocast("cpu", torch.bfloat16):
            assert (output_convolution(layer, features, residual_base) - exact).abs().max() < 0.05 / 2**8
            torch.testing.assert_close(output_convolution(layer, features), exact)
        torch.testing.assert_close(
            output_convolution(layer, features.float(), residual_base), exact
        )  # in float32 nothing is rounded at all


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
    assert torch.equal(output_convolution(layer, x), exact)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(last, "STRIP_VALUES", 1)
        patch.setattr(layer, "forward", lambda x: pytest.fail("that would be the convolution itself"))
        assert (output_convolution(layer, x) - exact).abs().max() <= 1e-5 * exact.abs().max()


@pytest.mark.parametrize("channels", [(16, 3), (128, 5)])
def test_other_last_layers_are_convolutions_at_inference_too(channels: tuple[int, int]) -> None:
    layer = nn.Conv2d(*channels, 3, padding=1)
    x = torch.randn(1, channels[0], 8, 8)
    with torch.inference_mode():
        assert torch.equal(output_convolution(layer, x), layer(x))
