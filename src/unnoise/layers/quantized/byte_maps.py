"""Networks whose maps are bytes, run as whole numbers: int8 convolutions of torch's library (oneDNN), at inference on a CPU.

A map is uint8, channels last, and counts steps of its own layer up and down from `ZERO`; a weight is a whole number of its output
channel's step. What one step of a map stands for is taken into the weights of the layers that see it, so that no map is ever multiplied
out again. The library cannot put a leaky ReLU into a convolution of bytes, and rounded before it, most of the 256 steps would go to what
is below zero: so a convolution gives float32, a few rows at a time that the caches hold, and what is below zero is made a tenth before it
is counted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import convolve_with, weights_of
from unnoise.layers.quantized.int8 import Kernel, convolve_numbers, numbers
from unnoise.layers.weight_cache import cached, prepare_weights

ZERO = 64
"""Of 0..255, what stands for 0 in a map."""
UP, DOWN = 255 - ZERO, ZERO
"""So many steps a map can hold above and below it: a leaky ReLU leaves little below."""
CACHED = 2**20
"""Values in float32 that are worked out at a time before they are counted."""


def counted(layer: nn.Conv2d, slope: float, x: Tensor, steps: Tensor) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of the image x, in float32, then counted: (B, C, H, W) → (B, C', H, W) uint8.

    Args:
        layer: with padding 1.
        slope: of the leaky ReLU.
        x: float32.
        steps: (C'), what one step of each channel of the result stands for.
    """

    def make() -> tuple[Tensor, Tensor]:
        weight, bias = weights_of(layer)
        assert bias is not None
        return weight / steps[:, None, None, None], bias / steps

    weight, bias = prepare_weights(layer, "counted", torch.float32, make)

    def rows(piece: Tensor) -> Tensor:
        return count(convolve_with(piece, weight, bias, "leaky_relu", slope=slope, padding=(1, 1)))

    return in_pieces(rows, x, len(steps))


def convolve_counted(
    layer: nn.Conv2d, slope: float, whole: Callable[[], tuple[Tensor, Tensor]], x: Tensor, steps: Tensor | None
) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of a map of bytes, (B, C, H, W) uint8 → (B, C', H, W) uint8 or float32.

    Args:
        layer: with padding 1; its bias is the one that counts.
        slope: of the leaky ReLU.
        whole: gives its weights as whole numbers (C', C, 3, 3), and what one stands for where one step of the map enters (C', 1, 1, 1).
        x: the map.
        steps: (C'), what one step of each channel of the result stands for; None: the result is not counted.
    """

    def make() -> tuple[Kernel, Tensor]:
        assert layer.bias is not None
        (weight, step), one = whole(), torch.ones_like(layer.bias) if steps is None else steps
        return Kernel(weight.to(torch.int8), step.flatten() / one, {}), layer.bias / one

    kernel, bias = cached(layer, "bytes", make)

    def rows(piece: Tensor) -> Tensor:
        y = F.leaky_relu(convolve_numbers(piece, kernel, bias, zero=ZERO, padding=(1, 1)), slope, inplace=True)
        return y if steps is None else count(y)

    return rows(x) if steps is None else in_pieces(rows, x, layer.out_channels)


def count(y: Tensor) -> Tensor:
    """Steps (B, C, H, W) float32 → uint8, rounded, 0 at `ZERO`."""
    return numbers(torch.quantize_per_tensor(y, 1.0, ZERO, torch.quint8))


def in_pieces(rows: Callable[[Tensor], Tensor], x: Tensor, leaving: int) -> Tensor:
    """rows(x) of a 3×3 convolution with padding 1, (B, C, H, W) → (B, leaving, H, W) uint8, some rows at a time."""
    batch, _, height, width = x.shape
    step = max(8, CACHED // (batch * leaving * width))
    if step >= height:
        return rows(x)
    result = torch.empty((batch, leaving, height, width), dtype=torch.uint8, memory_format=torch.channels_last)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        result[..., top:bottom, :] = rows(x[..., first:last, :])[..., top - first : bottom - first, :]
    return result
