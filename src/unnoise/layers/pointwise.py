"""1×1 convolutions and GELU on a CPU in training, as matrix products on channels-last memory.

The library's convolutions reorder their weights at each call. That takes as long as the convolution itself where there
are more weights than pixels. Its fast GELU needs memory that torch calls contiguous. Measured in
`docs/results/speed.md`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.polyphase import merge_batch, split_batch

MIN_MATMUL_CHANNELS = 128
"""With this many input and output channels a matrix product is at least as fast as a convolution, for any number of
pixels."""


def convolve_pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1×1 convolution: (B, C, H, W) → (B, C', H, W).

    Args:
        x: (B, C, H, W).
        weight: (C', C, 1, 1).
        bias: (C') or None.

    Example:
        >>> convolve_pointwise(torch.ones(1, 2, 3, 3), torch.ones(4, 2, 1, 1), None).unique().tolist()
        [2.0]
    """
    if min(weight.shape[:2]) < MIN_MATMUL_CHANNELS or not is_channels_last(x):
        return F.conv2d(x, weight, bias)
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def apply_convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """layer(x), (B, C, H, W) → (B, C', H', W'), by `convolve_pointwise` if the layer is a 1×1 convolution.

    >>> layer, x = nn.Conv2d(3, 4, 1), torch.rand(1, 3, 8, 8)
    >>> torch.allclose(apply_convolution(layer, x), layer(x), atol=1e-6)
    True
    """
    is_pointwise = type(layer) is nn.Conv2d and layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1
    if is_pointwise and layer.padding == (0, 0):
        return convolve_pointwise(x, layer.weight, layer.bias)
    result: Tensor = layer(x)
    return result


def convolve_depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int = 1) -> Tensor:
    """A 3×3 depthwise convolution with zero padding, (B, C, H, W) and (C, 1, 3, 3) → (B, C, H, W).

    >>> convolve_depthwise(torch.ones(1, 2, 3, 3), torch.ones(2, 1, 3, 3), None)[0, 0]
    tensor([[4., 6., 4.],
            [6., 9., 6.],
            [4., 6., 4.]])
    """
    if dilation > 1 and x.device.type == "cpu" and not torch.compiler.is_compiling():
        # torch's gradient of the weights is wrong in bfloat16: see findings/torch-dilated-depthwise-gradient.sh.
        # Each polyphase component by itself needs no dilation.
        parts = convolve_depthwise(split_batch(x, dilation), weight, bias)
        return merge_batch(parts, dilation, size=(x.shape[-2], x.shape[-1]))
    return F.conv2d(x, weight, bias, padding=dilation, dilation=dilation, groups=len(weight))


def gelu(x: Tensor) -> Tensor:
    """GELU, (B, C, H, W) → the same shape.

    >>> gelu(torch.zeros(1, 2, 3, 3)).abs().max()
    tensor(0.)
    """
    return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if is_channels_last(x) else F.gelu(x)


def is_channels_last(x: Tensor) -> bool:
    """Whether x, (B, C, H, W), lies on a CPU in dense channels-last memory; False while a graph is exported or
    compiled.

    >>> x = torch.zeros(1, 3, 4, 4)
    >>> is_channels_last(x), is_channels_last(x.contiguous(memory_format=torch.channels_last))
    (False, True)
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return x.shape[1] > 1 and x.is_contiguous(memory_format=torch.channels_last)
