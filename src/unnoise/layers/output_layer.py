"""A network's last layer, which makes the image: in its weights' own precision, and fast though so few channels leave it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers import triton as kernels
from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu, convolve_with, weights_of, working_type
from unnoise.layers.partial.row_chunks import in_steps
from unnoise.layers.weight_cache import Weights, prepare_weights

FEW, MANY = 4, 8
"""At most so many channels leave a last layer whose products are worth a product of matrices, and for each of them so many must enter
it, or the sums would take longer (measured)."""
PIECE, LOW = 2**21, 16
"""Values of the nine taps of so many rows, at least `LOW`: what the caches hold, and what memory is used again for."""


def last_layer(layer: nn.Conv2d, x: Tensor, near: Tensor | None = None) -> Tensor:
    """Apply a network's last convolution, (B, C, H, W) → (B, C', H, W), in its weights' own precision, also under autocast.

    Eight bits of bfloat16 mantissa would quantise the image itself. Where what the image is `near` to is known, which is the noisy
    one, only the difference of the two is rounded, and the features need not be brought to float32: at inference on a CPU that takes
    a third of the time. On an NVIDIA GPU features and weights are rounded, but not their sums.

    Args:
        near: of the result's shape; for a layer that gives a correction, which is near to nothing, zeros.
    """
    if can_fuse(x) and kernels.can_run(x) and _is_plain(layer):
        return _in_float32(layer, x)
    rounded = can_fuse_on_cpu(x) and working_type(x) == torch.bfloat16 and layer.weight.dtype == torch.float32
    if near is not None and rounded:
        return _difference(layer, x, near)
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(layer.weight.dtype)
        if can_fuse_on_cpu(x) and _is_plain(layer) and _goes_by_taps(layer):
            return _by_taps(layer, x)
        result: Tensor = layer(x)
        return result


def _goes_by_taps(layer: nn.Conv2d) -> bool:
    leaving = layer.out_channels
    return layer.kernel_size == (3, 3) and leaving <= FEW and layer.in_channels >= MANY * leaving


def _by_taps(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3×3 convolution to a few channels, as sums of what each of its nine places makes of each pixel.

    The library fills three channels up to sixteen; nine times three as one product of matrices waste nothing.
    """
    if layer.padding_mode == "replicate":
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")

    def make() -> Weights:
        weight, bias = weights_of(layer)
        return weight.permute(2, 3, 0, 1).reshape(-1, layer.in_channels, 1, 1), bias  # (9·C', C, 1, 1)

    weight, bias = prepare_weights(layer, "taps", x.dtype, make)
    height, width = x.shape[-2:]
    result = x.new_empty(len(x), layer.out_channels, height, width)
    for strip in in_steps(slice(0, height), max(LOW, PIECE // (len(weight) * width))):
        rows = slice(max(strip.start - 1, 0), min(strip.stop + 1, height))
        for image, own in zip(x.contiguous(memory_format=torch.channels_last), result, strict=True):
            pixels = image[:, rows].permute(1, 2, 0).flatten(0, 1)  # (rows·W, C)
            taps = (weight.flatten(1) @ pixels.mT).reshape(3, 3, -1, rows.stop - rows.start, width)
            own[:, strip] = _gathered(taps)[:, strip.start - rows.start : strip.stop - rows.start]
    result = result if layer.padding_mode == "zeros" else result[..., 1:-1, 1:-1]
    return result if bias is None else result.add_(bias[:, None, None])


def _gathered(taps: Tensor) -> Tensor:
    """Σ over rows a and columns b of taps[a, b] moved by (1 − a, 1 − b), (3, 3, C, H, W) → (C, H, W); what is moved in is zero."""
    *_, height, width = taps.shape
    result = taps[1, 1]
    for row in range(3):
        for column in range(3):
            if (row, column) == (1, 1):
                continue
            down, right = 1 - row, 1 - column
            to = _moved(height, down), _moved(width, right)
            result[:, *to] += taps[row, column][:, _moved(height, -down), _moved(width, -right)]
    return result


def _moved(length: int, by: int) -> slice:
    """The places that the others reach when all are moved."""
    return slice(max(by, 0), length + min(by, 0))


def _is_plain(layer: nn.Conv2d) -> bool:
    """Whether it is of the kind that `kernels.few_outputs` is for: 1×1 or 3×3, to a few channels, keeping the size."""
    side = layer.kernel_size[0]
    return (
        layer.kernel_size in ((1, 1), (3, 3))
        and layer.padding == (side // 2, side // 2)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.out_channels <= 16
        and layer.padding_mode in ("zeros", "replicate")
    )


def _in_float32(layer: nn.Conv2d, x: Tensor) -> Tensor:
    from unnoise.layers.triton.few_outputs import arranged, convolve_to_few

    def make() -> Weights:
        weight, bias = weights_of(layer)
        return arranged(weight), bias

    taps, bias = prepare_weights(layer, "few", working_type(x), make)
    x = x.to(taps.dtype).contiguous(memory_format=torch.channels_last)
    return convolve_to_few(x, taps, bias, layer.out_channels, replicate=layer.padding_mode == "replicate")


def _difference(layer: nn.Conv2d, x: Tensor, near: Tensor) -> Tensor:
    coarse = near.to(torch.bfloat16)
    weight, bias = prepare_weights(layer, "last", torch.bfloat16, lambda: weights_of(layer))
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    rounded = None if bias is None else bias.to(torch.bfloat16)
    result = convolve_with(x, weight, rounded, minus=coarse, padding=padding).float() + coarse  # coarse itself is exact
    return result if bias is None or rounded is None else result + (bias - rounded)[:, None, None]
