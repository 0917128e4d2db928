"""Doubling a map and a 3×3 convolution after it as one transposed convolution, on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import can_fuse, convolve_with, ready, weights_of, working_type
from unnoise.layers.quantized.dynamic import convolve_in_int8, is_better_in_int8
from unnoise.layers.quantized.int8 import doubled_beside
from unnoise.layers.weight_cache import prepare_weights


def can_double(x: Tensor) -> bool:
    """Whether `convolve_doubled` is worth its while for x: on a CPU, in training too, not while being exported."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and working_type(x) in (torch.float32, torch.bfloat16)


def convolve_doubled(layer: nn.Conv2d, x: Tensor, skip: Tensor | None = None, *, upward: bool = False) -> Tensor:
    """A 3×3 convolution of x with its sides doubled (nearest neighbour), a skip beside it: (B, C, h, w) → (B, C', 2h, 2w).

    Doubling and kernel together are one transposed convolution with a 4×4 kernel and 16 / 36 of the products, exactly.

    Args:
        layer: with padding 1, of zeros or replicated.
        x: what is doubled, for which `can_double`.
        skip: (B, S, 2h, 2w), which enters the layer after x.
        upward: the layer's zeros are two rows above the picture and none below, in place of one and one.
    """
    cut, replicated = x.shape[1], layer.padding_mode == "replicate"
    if not can_fuse(x):
        return double_and_convolve(x, layer.weight, layer.bias, skip, upward=upward, replicated=replicated)
    dtype = working_type(x)
    x = ready(x, dtype)
    if not replicated and (y := _in_int8(layer, x, skip, upward=upward)) is not None:
        return y
    kernel, bias = prepare_weights(layer, "doubled", dtype, lambda: (_doubled(layer.weight[:, :cut]), layer.bias))
    if replicated:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    crop = (3, 3) if replicated else (0 if upward else 1, 1)
    y = F.conv_transpose2d(x, kernel, None if bias is None else bias.to(dtype), stride=2, padding=crop)
    if skip is not None:
        weight, _ = prepare_weights(layer, "skip", dtype, lambda: (layer.weight[:, cut:], None))
        if replicated:
            skip = F.pad(skip, (1, 1, 1, 1), mode="replicate")
        y = convolve_with(skip, weight, None, plus=y, own=True, padding=(0, 0) if replicated else (2, 1) if upward else (1, 1))
    return y[..., :-2, :] if upward else y


def _in_int8(layer: nn.Conv2d, x: Tensor, skip: Tensor | None, *, upward: bool) -> Tensor | None:
    """`convolve_doubled` in int8, with zeros as padding; None where that is not to be.

    There is no transposed convolution of bytes: the map is doubled, at 36 / 16 of the products.
    """
    if not is_better_in_int8(x, layer.weight):
        return None
    weight, bias = prepare_weights(layer, "", x.dtype, lambda: weights_of(layer))
    height, width = 2 * x.shape[-2], 2 * x.shape[-1]
    skip = x.new_empty(len(x), 0, height, width) if skip is None else ready(skip, x.dtype)

    def read(images: slice, rows: slice) -> Tensor:
        small = slice(rows.start // 2, -(-rows.stop // 2))
        both = doubled_beside(x[images, :, small], skip[images, :, 2 * small.start : 2 * small.stop])
        return both[..., rows.start - 2 * small.start : rows.stop - 2 * small.start, :]

    shape = len(x), weight.shape[1], height, width
    y = convolve_in_int8(read, shape, weight, bias, "none", lambda y, images, rows: None, (2, 1) if upward else (1, 1))
    return y[..., :-2, :] if upward and y is not None else y


def double_and_convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, skip: Tensor | None, *, upward: bool = False, replicated: bool = False
) -> Tensor:
    """`convolve_doubled` of torch's own operations, for gradients too, with zeros and copies where the maps are small.

    Args:
        x, skip, upward: as there.
        weight, bias: of the layer.
        replicated: the layer replicates borders in place of zeros.
    """
    cut = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):  # sums of weights are not to be rounded
        kernel = _doubled(weight[:, :cut]).contiguous(memory_format=torch.channels_last)
    if replicated:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    elif upward:
        x = F.pad(x, (0, 0, 1, 0))
    crop = (3, 3) if replicated else (2 if upward else 1, 1)
    y = F.conv_transpose2d(x, kernel, bias, stride=2, padding=crop)
    if skip is None:
        return y
    skip = skip.to(y.dtype)
    if replicated:
        skip = F.pad(skip, (1, 1, 1, 1), mode="replicate")
    elif upward:
        skip = F.pad(skip, (0, 0, 2, 0))
    return y + F.conv2d(skip, weight[:, cut:], None, padding=(0, 0) if replicated else (0, 1) if upward else (1, 1))


def _doubled(weight: Tensor) -> Tensor:
    """The 4×4 kernel of the transposed convolution, (C', C, 3, 3) → (C, C', 4, 4): the 3×3 one spread over each 2×2 of equal pixels."""
    spread = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("ak,bl,oikl->ioab", spread, spread, weight)
