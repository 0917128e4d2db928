"""Convolutions of float32 maps in int8, at inference on a CPU: *dynamic quantization*, for which no network need be prepared.

A map is counted in 255 steps as it enters a layer, some rows at a time, from the least to the greatest value there; weights are whole
numbers of their output channel's step; the products are added up in 32 bits, exactly, and the result is float32 again. Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, Section 2, with ranges that
each map shows by itself. Measured in `docs/results/speed.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.partial.row_chunks import in_steps, is_as_if_large
from unnoise.layers.quantized.int8 import WHOLE, Kernel, convolve_numbers, is_bytewise, numbers, whole_steps
from unnoise.layers.weight_cache import cached_for_kernel

LEAST, WORTH = 16, 200
"""So many channels that enter, and so many products for each of their values, are the least for which it pays (measured)."""
PIECE, LOW = 2**22, 8
"""Values of as many images, or of as many rows of one, at least `LOW`, as are counted together: the fewer there are, the fewer share a
step with the greatest among them."""
MOST = 1e30
"""A map of a greater range is not counted: sums of products would leave float32."""


def is_better_in_int8(x: Tensor, weight: Tensor, groups: int = 1) -> bool:
    """Whether a convolution of x (B, C, H, W) runs in int8: where that is wanted and there is much to multiply for each value."""
    leaving, entering, *sides = weight.shape
    return (
        is_bytewise(x)
        and weight.dtype == torch.float32
        and groups == 1
        and entering >= LEAST
        and leaving * math.prod(sides) >= WORTH
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
    """A convolution of one map after the other, (B, C, H, W) → (B, C', H', W') float32; None where one holds what cannot be counted.

    Args:
        read: gives some images' rows of the map, (images, C, rows, W) float32, channels last.
        shape: of the whole map.
        weight: (C', C, k, k), from `prepared`.
        bias: (C').
        activation: of the result.
        finish: gets some images' rows of that, to be changed in place, and which they are.
        padding, dilation: of rows and of columns.
    """
    batch, entering, height, width = shape
    (above, beside), reach = padding, dilation[0] * (weight.shape[-2] - 1)
    leaving_height = height + 2 * above - reach
    kernel, sums = cached_for_kernel(weight, "int8", lambda: whole_numbers(weight))
    result: Tensor | None = None
    pieces = 32 if is_as_if_large() else entering * height * width // PIECE  # of one image
    strips = in_steps(slice(0, leaving_height), max(LOW, -(-leaving_height // max(1, pieces))))
    # Several images are whole ones, or their pixels would lie apart in memory.
    images = in_steps(slice(0, batch), max(1, PIECE // (entering * height * width)) if len(strips) == 1 else 1)
    for some, strip in product(images, strips):
        first, last = strip.start - above, strip.stop - above + reach
        seen = slice(min(max(first, 0), height), min(max(last, 0), height))  # nothing, where all lies in the padding
        over = min(max(-first, 0), last - first)
        under = last - first - over - (seen.stop - seen.start)
        counted = _count(read(some, seen), (beside, beside, over, under))
        if counted is None:
            return None
        x, step, zero = counted
        # The library subtracts `zero` too, but where a kernel is dilated three times and more it then takes three times as long.
        less = sums * (step * zero)
        shifted = -less if bias is None else bias - less
        y = convolve_numbers(x, kernel, shifted, step=step, dilation=dilation, activation=activation)
        finish(y, some, strip)
        if len(images) == len(strips) == 1:
            return y
        if result is None:
            result = y.new_empty(batch, leaving_height, y.shape[-1], y.shape[1]).permute(0, 3, 1, 2)  # (B, C', H', W')
        result[some, :, strip] = y
    return result


def _count(x: Tensor, margin: tuple[int, int, int, int]) -> tuple[Tensor, float, int] | None:
    """(B, C, H, W) in steps with a margin of zeros, uint8, channels last; what a step stands for; which number stands for 0."""
    ends = torch.aminmax(x.permute(0, 2, 3, 1)) if x.numel() else (x.sum(), x.sum())  # as it lies in memory
    least, greatest = (end.item() for end in ends)
    least, greatest = min(least, 0.0), max(greatest, 0.0)
    if not greatest - least < MOST:  # so is what is no number
        return None
    step = max((greatest - least) / 255, 1 / MOST)
    zero = round(-least / step)
    counted = numbers(torch.quantize_per_tensor(x, step, zero, torch.quint8))
    return (F.pad(counted, margin, value=zero) if any(margin) else counted), step, zero


def whole_numbers(weight: Tensor) -> tuple[Kernel, Tensor]:
    """(C', C, k, k) as whole numbers, and (C'), what they stand for summed up.

    Each is rounded so that what the ones before it were rounded by is made up for: neighbouring pixels are alike, and so are many
    channels, so that what counts is what rounding does to the sum, which to the nearest would move brightness (measured: half a
    decibel on quiet pictures).
    """
    steps = whole_steps(weight).flatten()  # (C')
    exact = (weight.flatten(1) / steps[:, None]).double().cumsum(1)  # (C', C·k·k)
    whole = exact.round().diff(dim=1, prepend=exact.new_zeros(len(exact), 1)).clamp(-WHOLE, WHOLE).float()
    return Kernel(whole.to(torch.int8).view(weight.shape), steps, {}), whole.sum(1) * steps
