"""1×1 layers and GELU on rows of memory against torch's ordinary operations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from unnoise.layers import pointwise
from unnoise.layers.pointwise import convolve_depthwise

FORMATS = pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])


def _gradients(y: Tensor, of: list[Tensor]) -> list[Tensor]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    return list(torch.autograd.grad((y * weights).sum(), of))


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    entering=st.sampled_from([1, 3, 127, 128, 130]),
    leaving=st.sampled_from([1, 128, 129]),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    last=st.booleans(),
    biased=st.booleans(),
)
def test_a_layer_and_its_gradients(
    batch: int, entering: int, leaving: int, height: int, width: int, last: bool, biased: bool
) -> None:
    layer = nn.Conv2d(entering, leaving, 1, bias=biased).double()
    x = torch.randn(batch, entering, height, width, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format).requires_grad_()
    results = pointwise.apply_convolution(layer, x), layer(x)
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(_gradients(y, [x, *layer.parameters()]) for y in results))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(128, 128, 3, padding=1),
        nn.Conv2d(128, 128, 1, padding=1),
        nn.Conv2d(128, 128, 1, stride=2),
        nn.Conv2d(128, 256, 1, groups=128),
    ],
    ids=["3×3", "padded", "strided", "grouped"],
)
def test_other_layers_are_applied_as_they_are(layer: nn.Conv2d) -> None:
    x = torch.randn(1, 128, 4, 4).contiguous(memory_format=torch.channels_last)
    assert torch.equal(pointwise.apply_convolution(layer, x), layer(x))


def test_a_layer_with_a_mask_of_its_own_keeps_it() -> None:
    class Masked(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return F.conv2d(input, self.weight * 0, self.bias)

    x = torch.randn(1, 128, 4, 4).contiguous(memory_format=torch.channels_last)
    assert torch.equal(pointwise.apply_convolution(Masked(128, 128, 1, bias=False), x), torch.zeros(1, 128, 4, 4))


def test_wide_layers_keep_the_memory_format() -> None:
    x = torch.randn(2, 128, 4, 4).contiguous(memory_format=torch.channels_last)
    y = pointwise.apply_convolution(nn.Conv2d(128, 128, 1), x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert type(y.grad_fn).__name__ != "ConvolutionBackward0"


@FORMATS
def test_gelu_and_its_gradient(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    results = pointwise.gelu(x), F.gelu(x)
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(_gradients(y, [x]) for y in results))


@FORMATS
def test_gelu_keeps_the_memory_format(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 5, 6, 7).contiguous(memory_format=memory_format)
    assert pointwise.gelu(x).is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_depthwise_gradients_in_bfloat16(dilation: int) -> None:
    """torch's own gradient of the weights is wrong for dilated ones in channels-last memory."""
    x, weight = torch.randn(2, 32, 19, 24), torch.randn(32, 1, 3, 3)
    expected = F.conv2d(x, weight, padding=dilation, dilation=dilation, groups=32)
    upstream = torch.randn_like(expected)
    gradients = []
    for kind in (torch.float32, torch.bfloat16):
        leaf = weight.to(kind).requires_grad_()
        given = x.to(kind).contiguous(memory_format=torch.channels_last).requires_grad_()
        result = convolve_depthwise(given, leaf, None, dilation)
        assert (result - expected).abs().max() < 0.02 * expected.abs().max()
        gradients.append([grad.float() for grad in torch.autograd.grad(result, [leaf, given], upstream.to(kind))])
    for exact, rounded in zip(*gradients, strict=True):
        assert (rounded - exact).abs().max() < 0.02 * exact.abs().max()
