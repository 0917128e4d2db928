"""A network's last convolution, which makes the image: in the precision of its weights, and fast despite its few output
channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.deprecated.module_names import renamed
from unnoise.layers import triton as kernels
from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu, compute_dtype, convolve_with_weights, effective_weights
from unnoise.layers.partial.row_chunks import split_rows
from unnoise.layers.weight_cache import Weights, prepare_weights

MAX_OUTPUT_CHANNELS, MIN_INPUTS_PER_OUTPUT = 4, 8
"""Up to this many output channels, and with this many input channels for each of them, one matrix product is faster.

With fewer input channels the sums take longer than the product saves (measured)."""
STRIP_VALUES, MIN_STRIP_ROWS = 2**21, 16
"""Values of the nine taps in one strip, and its least number of rows: a strip fits the caches, and its memory is
reused."""


FIRST_NOISE_SHARE = 0.03
"""How much smaller than He-normal the last layer of a network begins that tells a correction: its first results are the
picture itself, nearly, and not the picture with noise of the network's own."""


@torch.no_grad()
def begin_small(layer: nn.Module) -> None:
    """Make freshly drawn weights of a last layer, a convolution, small in place; see `FIRST_NOISE_SHARE`.

    Example:
        >>> layer = nn.Conv2d(2, 3, 1)
        >>> nn.init.ones_(layer.weight)[0, 0].item()
        1.0
        >>> begin_small(layer)
        >>> round(layer.weight[0, 0].item(), 2)
        0.03
    """
    assert isinstance(layer, nn.Conv2d)
    layer.weight.mul_(FIRST_NOISE_SHARE)


def output_convolution(layer: nn.Conv2d, x: Tensor, residual_base: Tensor | None = None) -> Tensor:
    """Apply a network's last convolution, (B, C, H, W) → (B, C', H, W), in its weights' own precision, also under
    autocast.

    The 8 bits of a bfloat16 mantissa would quantize the image itself. If a `residual_base` is given, which is close to
    the result, only the difference of the two is rounded, and the features stay in bfloat16. On a CPU that takes a
    third of the time. On an NVIDIA GPU features and weights are rounded, but their sums are not.

    Args:
        layer: the convolution.
        x: (B, C, H, W).
        residual_base: of the result's shape, as the noisy image is; zeros for a layer that predicts a correction.

    Example:
        >>> output_convolution(nn.Conv2d(8, 3, 1), torch.rand(1, 8, 4, 4)).shape
        torch.Size([1, 3, 4, 4])
    """
    if can_fuse(x) and kernels.can_run(x) and _fits_triton(layer):
        return _convolve_to_float32(layer, x)
    rounded = can_fuse_on_cpu(x) and compute_dtype(x) == torch.bfloat16 and layer.weight.dtype == torch.float32
    if residual_base is not None and rounded:
        return _convolve_residual(layer, x, residual_base)
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(layer.weight.dtype)
        if can_fuse_on_cpu(x) and _fits_triton(layer) and _is_faster_by_taps(layer):
            return _convolve_by_taps(layer, x)
        result: Tensor = layer(x)
        return result


def _is_faster_by_taps(layer: nn.Conv2d) -> bool:
    """Whether `_convolve_by_taps` is faster for this layer."""
    leaving = layer.out_channels
    return (
        layer.kernel_size == (3, 3) and leaving <= MAX_OUTPUT_CHANNELS and layer.in_channels >= MIN_INPUTS_PER_OUTPUT * leaving
    )


def _convolve_by_taps(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3×3 convolution to few channels: one matrix product for all nine taps, then a sum of shifted taps.

    oneDNN pads three output channels to sixteen. Nine taps times three channels in one product waste nothing.
    """
    if layer.padding_mode == "replicate":
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")

    def make() -> Weights:
        weight, bias = effective_weights(layer)
        return weight.permute(2, 3, 0, 1).reshape(-1, layer.in_channels, 1, 1), bias  # (9·C', C, 1, 1)

    weight, bias = prepare_weights(layer, "taps", x.dtype, make)
    height, width = x.shape[-2:]
    result = x.new_empty(len(x), layer.out_channels, height, width)
    for strip in split_rows(slice(0, height), max(MIN_STRIP_ROWS, STRIP_VALUES // (len(weight) * width))):
        rows = slice(max(strip.start - 1, 0), min(strip.stop + 1, height))
        for image, target in zip(x.contiguous(memory_format=torch.channels_last), result, strict=True):
            pixels = image[:, rows].permute(1, 2, 0).flatten(0, 1)  # (rows·W, C)
            taps = (weight.flatten(1) @ pixels.mT).reshape(3, 3, -1, rows.stop - rows.start, width)
            target[:, strip] = _sum_shifted_taps(taps)[:, strip.start - rows.start : strip.stop - rows.start]
    result = result if layer.padding_mode == "zeros" else result[..., 1:-1, 1:-1]
    return result if bias is None else result.add_(bias[:, None, None])


def _sum_shifted_taps(taps: Tensor) -> Tensor:
    """Σ over rows a and columns b of taps[a, b] shifted by (1 − a, 1 − b), with zeros at the edges: (3, 3, C, H, W) →
    (C, H, W)."""
    *_, height, width = taps.shape
    result = taps[1, 1]
    for row in range(3):
        for column in range(3):
            if (row, column) == (1, 1):
                continue
            down, right = 1 - row, 1 - column
            to = _shifted_interval(height, down), _shifted_interval(width, right)
            result[:, *to] += taps[row, column][:, _shifted_interval(height, -down), _shifted_interval(width, -right)]
    return result


def _shifted_interval(length: int, by: int) -> slice:
    """The indices that receive values when all values move by `by`."""
    return slice(max(by, 0), length + min(by, 0))


def _fits_triton(layer: nn.Conv2d) -> bool:
    """Whether `triton.few_outputs` supports the layer: 1×1 or 3×3, few output channels, the size kept."""
    side = layer.kernel_size[0]
    return (
        layer.kernel_size in ((1, 1), (3, 3))
        and layer.padding == (side // 2, side // 2)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.out_channels <= 16
        and layer.padding_mode in ("zeros", "replicate")
    )


def _convolve_to_float32(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution on an NVIDIA GPU, with sums and result in float32."""
    from unnoise.layers.triton.few_outputs import convolve_few_outputs, pack_taps

    def make() -> Weights:
        weight, bias = effective_weights(layer)
        return pack_taps(weight), bias

    taps, bias = prepare_weights(layer, "few", compute_dtype(x), make)
    x = x.to(taps.dtype).contiguous(memory_format=torch.channels_last)
    return convolve_few_outputs(x, taps, bias, layer.out_channels, replicate=layer.padding_mode == "replicate")


def _convolve_residual(layer: nn.Conv2d, x: Tensor, residual_base: Tensor) -> Tensor:
    """The convolution in bfloat16, as a difference from `residual_base`, (B, C', H, W) float32."""
    coarse = residual_base.to(torch.bfloat16)
    weight, bias = prepare_weights(layer, "last", torch.bfloat16, lambda: effective_weights(layer))
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    rounded = None if bias is None else bias.to(torch.bfloat16)
    result = (
        convolve_with_weights(x, weight, rounded, minus=coarse, padding=padding).float() + coarse
    )  # adding `coarse` back is exact
    return result if bias is None or rounded is None else result + (bias - rounded)[:, None, None]


__getattr__ = renamed(__name__, {"last_layer": "output_convolution"})
