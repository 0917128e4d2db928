"""Dynamic quantization: convolutions of float32 maps in int8, at inference on a CPU, for any network.

Each strip of a map is quantized to 256 levels between its least and greatest value as it enters a layer. Weights are
integers with a scale for each output channel. Products are summed exactly in 32 bits, and the result is float32. Jacob
et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
Section 2. Measured in `docs/results/speed.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.partial.row_chunks import is_chunking_forced, split_rows
from unnoise.layers.quantized.int8 import MAX_WEIGHT, Int8Kernel, convolve_int8, integer_values, runs_in_int8, weight_scales
from unnoise.layers.weight_cache import cached_for_kernel

MIN_INPUT_CHANNELS, MIN_PRODUCTS_PER_VALUE = 16, 200
"""Int8 is faster from this many input channels, and this many products for each of their values, on (measured)."""
CHUNK_VALUES, MIN_CHUNK_ROWS = 2**22, 8
"""Values that share one scale: of several images, or of some rows of one image, at least `MIN_CHUNK_ROWS`.

The fewer values share a scale, the finer it is, since the largest of them sets it."""
MAX_RANGE = 1e30
"""A map with a greater range is not quantized, since sums of products would leave float32."""


def is_better_in_int8(x: Tensor, weight: Tensor, groups: int = 1) -> bool:
    """Whether a convolution of x, (B, C, H, W), by `weight`, (C', C, k, k), runs in int8: where it is on, and
    faster.

    >>> is_better_in_int8(torch.zeros(1, 64, 8, 8), torch.zeros(64, 64, 3, 3))  # int8 is not on
    False
    """
    out_channels, in_channels, *sides = weight.shape
    return (
        runs_in_int8(x)
        and weight.dtype == torch.float32
        and groups == 1
        and in_channels >= MIN_INPUT_CHANNELS
        and out_channels * math.prod(sides) >= MIN_PRODUCTS_PER_VALUE
    )


def convolve_in_int8(
    read: Callable[[slice, slice], Tensor],
    shape: Sequence[int],
    weight: Tensor,
    bias: Tensor | None,
    activation: Literal["none", "relu"],
    finish: Callable[[Tensor, slice, slice], object],
    padding: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> Tensor | None:
    """A convolution in int8, (B, C, H, W) → (B, C', H', W') float32; None if the map holds values that cannot be
    quantized.

    Args:
        read: gives some images' rows of the map, (images, C, rows, W) float32, channels last.
        shape: of the whole map.
        weight: (C', C, k, k), from `prepare_weights`.
        bias: (C').
        activation: of the result.
        finish: receives some images' rows of the result, to be changed in place, and which images and rows they are.
        padding, dilation: of rows and of columns.
    """
    batch, in_channels, height, width = shape
    (above, beside), reach = padding, dilation[0] * (weight.shape[-2] - 1)
    leaving_height = height + 2 * above - reach
    kernel, sums = cached_for_kernel(weight, "int8", lambda: quantize_weights(weight))
    result: Tensor | None = None
    pieces = 32 if is_chunking_forced() else in_channels * height * width // CHUNK_VALUES  # strips of one image
    strips = split_rows(slice(0, leaving_height), max(MIN_CHUNK_ROWS, -(-leaving_height // max(1, pieces))))
    # Several images go together only as whole ones, since strips of them lie apart in memory.
    images = split_rows(slice(0, batch), max(1, CHUNK_VALUES // (in_channels * height * width)) if len(strips) == 1 else 1)
    for some, strip in product(images, strips):
        first, last = strip.start - above, strip.stop - above + reach
        seen = slice(min(max(first, 0), height), min(max(last, 0), height))  # empty where all lies in the padding
        over = min(max(-first, 0), last - first)
        under = last - first - over - (seen.stop - seen.start)
        counted = _quantize(read(some, seen), (beside, beside, over, under))
        if counted is None:
            return None
        x, step, zero = counted
        # oneDNN could subtract the zero point, but takes three times as long then, for dilations of three and more.
        less = sums * (step * zero)
        shifted = -less if bias is None else bias - less
        y = convolve_int8(x, kernel, shifted, step=step, dilation=dilation, activation=activation)
        finish(y, some, strip)
        if len(images) == len(strips) == 1:
            return y
        if result is None:
            result = y.new_empty(batch, leaving_height, y.shape[-1], y.shape[1]).permute(0, 3, 1, 2)  # (B, C', H', W')
        result[some, :, strip] = y
    return result


def _quantize(x: Tensor, margin: tuple[int, int, int, int]) -> tuple[Tensor, float, int] | None:
    """(B, C, H, W) with a margin of zeros, as uint8, channels last; its scale; its zero point. None if it cannot be
    quantized."""
    ends = torch.aminmax(x.permute(0, 2, 3, 1)) if x.numel() else (x.sum(), x.sum())  # in memory order
    least, greatest = (end.item() for end in ends)
    least, greatest = min(least, 0.0), max(greatest, 0.0)
    if not greatest - least < MAX_RANGE:  # NaN and infinity end here too
        return None
    step = max((greatest - least) / 255, 1 / MAX_RANGE)
    zero = round(-least / step)
    counted = integer_values(torch.quantize_per_tensor(x, step, zero, torch.quint8))
    return (F.pad(counted, margin, value=zero) if any(margin) else counted), step, zero


def quantize_weights(weight: Tensor) -> tuple[Int8Kernel, Tensor]:
    """Quantize a kernel (C', C, k, k) to integers. Also returns the sums of the values that they encode, (C').

    Each weight is rounded so that it makes up for the rounding of those before it. Neighbouring pixels are alike, and
    so are many channels, so the sum of the rounding errors counts. Rounding to nearest shifts the brightness, by half a
    decibel on quiet pictures (measured).

    >>> weight = torch.rand(2, 3, 3, 3)
    >>> kernel, sums = quantize_weights(weight)
    >>> bool((sums - weight.sum((1, 2, 3))).abs().max() < 0.01)  # rounding does not move the sum
    True
    """
    scales = weight_scales(weight).flatten()  # (C')
    exact = (weight.flatten(1) / scales[:, None]).double().cumsum(1)  # (C', C·k·k)
    whole = exact.round().diff(dim=1, prepend=exact.new_zeros(len(exact), 1)).clamp(-MAX_WEIGHT, MAX_WEIGHT).float()
    return Int8Kernel(whole.to(torch.int8).view(weight.shape), scales, {}), whole.sum(1) * scales
