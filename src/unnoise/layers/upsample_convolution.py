"""Nearest-neighbour up-sampling by two and a 3×3 convolution, fused into one transposed convolution on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve_with_weights, effective_weights, to_channels_last
from unnoise.layers.quantized.dynamic import convolve_in_int8, is_better_in_int8
from unnoise.layers.quantized.int8 import upsample_and_concatenate
from unnoise.layers.weight_cache import prepare_weights


def can_fuse_upsampling(x: Tensor) -> bool:
    """Whether `convolve_upsampled` is faster for x: on a CPU, also in training, but not while a graph is exported.

    >>> can_fuse_upsampling(torch.zeros(1, 3, 4, 4)), can_fuse_upsampling(torch.zeros(1, 3, 4, 4, dtype=torch.float64))
    (True, False)
    """
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and compute_dtype(x) in (torch.float32, torch.bfloat16)


def convolve_upsampled(layer: nn.Conv2d, x: Tensor, skip: Tensor | None = None, *, upward: bool = False) -> Tensor:
    """A 3×3 convolution of the up-sampled x, with a skip connection concatenated to it: (B, C, h, w) → (B, C', 2h, 2w).

    Up-sampling and kernel together are exactly one transposed convolution with a 4×4 kernel and 16 / 36 of the
    products.

    Args:
        layer: with padding 1, of zeros or replicated.
        x: (B, C, h, w), for which `can_fuse_upsampling`.
        skip: (B, S, 2h, 2w), whose channels enter the layer after those of x.
        upward: pad two rows of zeros above the picture and none below.

    Example:
        >>> layer = nn.Conv2d(3, 8, 3, padding=1)
        >>> convolve_upsampled(layer, torch.rand(1, 3, 4, 4)).shape
        torch.Size([1, 8, 8, 8])
    """
    cut, replicated = x.shape[1], layer.padding_mode == "replicate"
    if not can_fuse(x):
        return upsample_and_convolve(x, layer.weight, layer.bias, skip, upward=upward, replicated=replicated)
    dtype = compute_dtype(x)
    x = to_channels_last(x, dtype)
    if not replicated and (y := _convolve_in_int8(layer, x, skip, upward=upward)) is not None:
        return y
    kernel, bias = prepare_weights(layer, "doubled", dtype, lambda: (_transposed_kernel(layer.weight[:, :cut]), layer.bias))
    if replicated:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    crop = (3, 3) if replicated else (0 if upward else 1, 1)
    y = F.conv_transpose2d(x, kernel, None if bias is None else bias.to(dtype), stride=2, padding=crop)
    if skip is not None:
        weight, _ = prepare_weights(layer, "skip", dtype, lambda: (layer.weight[:, cut:], None))
        if replicated:
            skip = F.pad(skip, (1, 1, 1, 1), mode="replicate")
        y = convolve_with_weights(
            skip, weight, None, plus=y, inplace=True, padding=(0, 0) if replicated else (2, 1) if upward else (1, 1)
        )
    return y[..., :-2, :] if upward else y


def _convolve_in_int8(layer: nn.Conv2d, x: Tensor, skip: Tensor | None, *, upward: bool) -> Tensor | None:
    """`convolve_upsampled` in int8, with zero padding; None where int8 is not possible.

    There is no int8 transposed convolution, so the map is really up-sampled, at 36 / 16 of the products.
    """
    if not is_better_in_int8(x, layer.weight):
        return None
    weight, bias = prepare_weights(layer, "", x.dtype, lambda: effective_weights(layer))
    height, width = 2 * x.shape[-2], 2 * x.shape[-1]
    skip = x.new_empty(len(x), 0, height, width) if skip is None else to_channels_last(skip, x.dtype)

    def read(images: slice, rows: slice) -> Tensor:
        small = slice(rows.start // 2, -(-rows.stop // 2))
        both = upsample_and_concatenate(x[images, :, small], skip[images, :, 2 * small.start : 2 * small.stop])
        return both[..., rows.start - 2 * small.start : rows.stop - 2 * small.start, :]

    shape = len(x), weight.shape[1], height, width
    y = convolve_in_int8(read, shape, weight, bias, "none", lambda y, images, rows: None, (2, 1) if upward else (1, 1))
    return y[..., :-2, :] if upward and y is not None else y


def upsample_and_convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, skip: Tensor | None, *, upward: bool = False, replicated: bool = False
) -> Tensor:
    """`convolve_upsampled` by torch's own operations, with gradients.

    Args:
        x, skip, upward: as in `convolve_upsampled`.
        weight, bias: of the layer.
        replicated: the layer pads by replication, not with zeros.

    >>> x, weight = torch.rand(1, 2, 4, 4), torch.rand(3, 2, 3, 3)
    >>> expected = F.conv2d(F.interpolate(x, scale_factor=2), weight, padding=1)
    >>> torch.allclose(upsample_and_convolve(x, weight, None, None), expected, atol=1e-5)
    True
    """
    cut = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):  # autocast must not round sums of weights
        kernel = _transposed_kernel(weight[:, :cut]).contiguous(memory_format=torch.channels_last)
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


def _transposed_kernel(weight: Tensor) -> Tensor:
    """The transposed convolution's kernel, (C', C, 3, 3) → (C, C', 4, 4).

    It is the 3×3 kernel, summed over each 2×2 block of equal pixels.
    """
    spread = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("ak,bl,oikl->ioab", spread, spread, weight)
