"""A convolution by cuDNN and its epilogue: fused by cuDNN where it can, otherwise in one pass of our own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unnoise.layers.triton.depthwise import convolve_depthwise
from unnoise.layers.triton.epilogue import apply_epilogue


def convolve_with_epilogue(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str,
    slope: float,
    other: Tensor | None,
    what: str,
    padding: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """activation(convolution + bias), then `what` with `other`, (B, C, H, W) → (B, C', H', W'); see
    `epilogue.apply_epilogue`.

    Args:
        x, other: channels last, of the weight's type.
        weight: (C', C / groups, k, k), channels last.
        bias: (C').
        activation, slope: as in `fused_convolution.convolve`.
        what: "plus", "minus", "times" or "none".
        padding, stride, dilation, groups: as in `torch.nn.Conv2d`.
    """
    where = tuple(stride), tuple(padding), tuple(dilation)
    if groups == x.shape[1] == len(weight) > 1 and where == ((1, 1),) * 3 and weight.shape[-1] == 3:
        return convolve_depthwise(x, weight, bias, activation, slope, other, what)
    if activation == "relu" and bias is not None and other is None and x.is_cuda:
        return torch.cudnn_convolution_relu(x, weight, bias.to(x.dtype), *where, groups)
    y = torch.conv2d(x, weight, None, *where, groups)
    if bias is None and activation == "none" and other is None:
        return y
    return apply_epilogue(y.contiguous(memory_format=torch.channels_last), bias, activation, slope, other, what)
