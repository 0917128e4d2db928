"""What follows a convolution, in one pass: the same as torch's operations one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
from unnoise.layers.triton.depthwise import convolve_depthwise
from unnoise.layers.triton.epilogue import apply_epilogue

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "relu": F.relu,
    "leaky_relu": lambda y: F.leaky_relu(y, 0.2),
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
}
OTHERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda y, other: y,
    "plus": torch.add,
    "minus": torch.sub,
    "times": torch.mul,
}


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("biased", [True, False])
def test_bias_activation_and_other(activation: str, what: str, biased: bool) -> None:
    y, other, bias = last(torch.randn(2, 5, 7, 31)), last(torch.randn(2, 5, 7, 31)), torch.randn(5) if biased else None
    shifted = y if bias is None else y + bias[:, None, None]
    expected = OTHERS[what](ACTIVATIONS[activation](shifted), other)
    given_back = apply_epilogue(y, bias, activation, 0.2, None if what == "none" else other, what)
    assert given_back.data_ptr() == y.data_ptr()
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-4)


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 9), st.integers(1, 40))
def test_any_size(batch: int, channels: int, height: int, width: int) -> None:
    y, bias = last(torch.randn(batch, channels, height, width)), torch.randn(channels)
    expected = F.relu(y + bias[:, None, None])
    torch.testing.assert_close(apply_epilogue(y, bias, "relu"), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("what", OTHERS)
def test_depthwise_convolution(activation: str, what: str) -> None:
    x, weight, bias = last(torch.randn(2, 70, 5, 9)), torch.randn(70, 1, 3, 3), torch.randn(70)
    other = last(torch.randn_like(x))
    expected = OTHERS[what](ACTIVATIONS[activation](F.conv2d(x, weight, bias, padding=1, groups=70)), other)
    result = convolve_depthwise(x, last(weight), bias, activation, 0.2, None if what == "none" else other, what)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 66), st.integers(1, 6), st.integers(1, 20))
def test_depthwise_convolution_of_any_size(batch: int, channels: int, height: int, width: int) -> None:
    x, weight = last(torch.randn(batch, channels, height, width)), torch.randn(channels, 1, 3, 3)
    expected = F.conv2d(x, weight, padding=1, groups=channels)
    torch.testing.assert_close(convolve_depthwise(x, last(weight), None), expected, atol=1e-4, rtol=1e-4)
