"""Networks whose maps are uint8, at inference on a CPU, by oneDNN's int8 convolutions.

A map is uint8, channels last, in units of its own layer's scales around `ZERO_POINT`. A weight is an integer with a
scale for each output channel. The scales of a map are folded into the weights of the next layers, so no map is ever
converted back. oneDNN cannot fuse a leaky ReLU into an int8 convolution, and rounding before it would spend most of the
256 levels on negative values. So a convolution gives float32, for a few rows that fit the caches. The leaky ReLU
follows, and then the rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import convolve_with_weights, effective_weights
from unnoise.layers.quantized.int8 import Int8Kernel, convolve_int8, integer_values
from unnoise.layers.weight_cache import cached, prepare_weights

ZERO_POINT = 64
"""The byte, 0..255, that encodes 0 in a map."""
LEVELS_ABOVE_ZERO, LEVELS_BELOW_ZERO = 255 - ZERO_POINT, ZERO_POINT
"""Levels of a map above and below zero. A leaky ReLU leaves little below."""
CHUNK_VALUES = 2**20
"""Values in float32 that are computed before they are rounded."""


def convolve_image_to_bytes(layer: nn.Conv2d, slope: float, x: Tensor, steps: Tensor) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of the image, in float32, then quantized: (B, C, H, W) → (B, C', H, W) uint8.

    Args:
        layer: with padding 1.
        slope: of the leaky ReLU.
        x: float32.
        steps: (C'), scales of the result's channels.

    >>> layer, steps = nn.Conv2d(3, 4, 3, padding=1), torch.full((4,), 0.01)
    >>> with torch.inference_mode():
    ...     convolve_image_to_bytes(layer, 0.1, torch.rand(1, 3, 8, 8), steps).dtype
    torch.uint8
    """

    def make() -> tuple[Tensor, Tensor]:
        weight, bias = effective_weights(layer)
        assert bias is not None
        return weight / steps[:, None, None, None], bias / steps

    weight, bias = prepare_weights(layer, "counted", torch.float32, make)

    def rows(piece: Tensor) -> Tensor:
        return quantize(convolve_with_weights(piece, weight, bias, "leaky_relu", slope=slope, padding=(1, 1)))

    return in_row_chunks(rows, x, len(steps))


def convolve_bytes(
    layer: nn.Conv2d, slope: float, whole: Callable[[], tuple[Tensor, Tensor]], x: Tensor, steps: Tensor | None
) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of a uint8 map, (B, C, H, W) → (B, C', H, W) uint8 or float32.

    Args:
        layer: with padding 1; only its bias is used.
        slope: of the leaky ReLU.
        whole: gives the integer weights (C', C, 3, 3), and their scales (C', 1, 1, 1), with the scales of x folded in.
        x: the map.
        steps: (C'), scales of the result's channels; None: the result stays float32.
    """

    def make() -> tuple[Int8Kernel, Tensor]:
        assert layer.bias is not None
        (weight, step), one = whole(), torch.ones_like(layer.bias) if steps is None else steps
        return Int8Kernel(weight.to(torch.int8), step.flatten() / one, {}), layer.bias / one

    kernel, bias = cached(layer, "bytes", make)

    def rows(piece: Tensor) -> Tensor:
        y = F.leaky_relu(convolve_int8(piece, kernel, bias, zero=ZERO_POINT, padding=(1, 1)), slope, inplace=True)
        return y if steps is None else quantize(y)

    return rows(x) if steps is None else in_row_chunks(rows, x, layer.out_channels)


def quantize(y: Tensor) -> Tensor:
    """Round (B, C, H, W) float32, in units of its scales, to uint8 with 0 at `ZERO_POINT`.

    Example:
        >>> quantize(torch.tensor([[[[1.2]]]])).item()
        65
    """
    return integer_values(torch.quantize_per_tensor(y, 1.0, ZERO_POINT, torch.quint8))


def in_row_chunks(rows: Callable[[Tensor], Tensor], x: Tensor, out_channels: int) -> Tensor:
    """rows(x) of a 3×3 convolution with padding 1, (B, C, H, W) → (B, leaving, H, W) uint8, some rows at a time.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> in_row_chunks(lambda y: (255 * y).to(torch.uint8), x, out_channels=3).shape
    torch.Size([1, 3, 8, 8])
    """
    batch, _, height, width = x.shape
    step = max(8, CHUNK_VALUES // (batch * out_channels * width))
    if step >= height:
        return rows(x)
    result = torch.empty((batch, out_channels, height, width), dtype=torch.uint8, memory_format=torch.channels_last)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        result[..., top:bottom, :] = rows(x[..., first:last, :])[..., top - first : bottom - first, :]
    return result
