"""1×1 convolutions and GELU where a gradient is wanted, on a CPU: torch's own operations on pixels that are rows of memory.

The library's convolutions bring the weights into an order of their own at each call, which takes as long as the convolution where
there are more weights than pixels, and its fast GELU is for memory that torch takes to be contiguous. Measured in
`docs/results/speed.md`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_MATMUL_CHANNELS = 128
"""Channels in and out from which a product of matrices is at least as fast as a convolution, however many pixels there are."""


def convolve_pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1×1 convolution, (B, C, H, W) and (C', C, 1, 1) → (B, C', H, W)."""
    if min(weight.shape[:2]) < MIN_MATMUL_CHANNELS or not is_channels_last(x):
        return F.conv2d(x, weight, bias)
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def apply_convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """layer(x), (B, C, H, W) → (B, C', H', W'), by `convolve_pointwise` where the layer is of that kind."""
    is_pointwise = type(layer) is nn.Conv2d and layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1
    if is_pointwise and layer.padding == (0, 0):
        return convolve_pointwise(x, layer.weight, layer.bias)
    result: Tensor = layer(x)
    return result


def convolve_depthwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 3×3 convolution of each channel by itself, (B, C, H, W) and (C, 1, 3, 3) → (B, C, H, W), zeros around it."""
    return F.conv2d(x, weight, bias, padding=1, groups=len(weight))


def gelu(x: Tensor) -> Tensor:
    """GELU, (B, C, H, W) → the same shape."""
    return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if is_channels_last(x) else F.gelu(x)


def is_channels_last(x: Tensor) -> bool:
    """Whether the pixels of x, (B, C, H, W), are rows of memory without gaps, on a CPU; not while being exported or compiled."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return x.shape[1] > 1 and x.is_contiguous(memory_format=torch.channels_last)
