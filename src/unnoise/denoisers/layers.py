"""Layers that several denoisers share, written to be fast in either memory format and safe under autocast."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unnoise import kernels
from unnoise.denoisers.fused import can_fuse, can_fuse_on_cpu, convolve_with, weights_of, working_type
from unnoise.denoisers.parts import in_steps
from unnoise.denoisers.pointwise import are_rows
from unnoise.denoisers.prepared import Weights, prepared

FEW, MANY = 4, 8
"""At most so many channels leave a last layer whose products are worth a product of matrices, and for each of them so many must enter
it, or the sums would take longer (measured)."""
PIECE, LOW = 2**21, 16
"""Values of the nine taps of so many rows, at least `LOW`: what the caches hold, and what memory is used again for."""
NormKind = Literal["BiasFree", "WithBias"]


def halved(x: Tensor) -> Tensor:
    """The largest of each 2×2 pixels, (B, C, H, W) → (B, C, H // 2, W // 2)."""
    if not can_fuse_on_cpu(x) and x.dtype != torch.uint8:
        return F.max_pool2d(x, 2)
    # The same values; torch's pooling of maps whose channels lie last takes up to twice as long.
    rows = torch.maximum(x[..., : x.shape[-2] // 2 * 2 : 2, :], x[..., 1::2, :])
    return torch.maximum(rows[..., : x.shape[-1] // 2 * 2 : 2], rows[..., 1::2])


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, (B, C, H, W) → the same shape.

    Args:
        channels: C.
        kind: ``"WithBias"``: (x − mean) / √(variance + eps) · weight + bias; ``"BiasFree"``: x / √(variance + eps) · weight,
            where the variance is still about the mean (Zamir et al., "Restormer", CVPR 2022).
        eps: added to the variance.
    """

    bias: nn.Parameter | None

    def __init__(self, channels: int, kind: NormKind, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if kind == "WithBias" else None)

    def forward(self, x: Tensor) -> Tensor:
        # The statistics need at least float32, whatever autocast made of x.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        weight = self.weight.to(wide.dtype)
        if self.bias is None and are_rows(x):
            rows: Tensor = _BiasFree.apply(wide.permute(0, 2, 3, 1), weight, self.eps)  # type: ignore[no-untyped-call]
            return rows.permute(0, 3, 1, 2).to(x.dtype)
        if self.bias is None:
            return (wide * self._inverse_deviation(wide - wide.mean(1, keepdim=True)) * weight[:, None, None]).to(x.dtype)
        bias = self.bias.to(wide.dtype)
        if x.stride(1) == 1:  # channels last: torch's fused kernel needs no copy
            return F.layer_norm(wide.permute(0, 2, 3, 1), weight.shape, weight, bias, self.eps).permute(0, 3, 1, 2).to(x.dtype)
        wide = wide - wide.mean(1, keepdim=True)
        return (wide * self._inverse_deviation(wide) * weight[:, None, None] + bias[:, None, None]).to(x.dtype)

    def unscaled(self, x: Tensor) -> Tensor:
        """The normalisation but for weight and bias, for an x that `can_fuse` and a 1×1 convolution that takes these in: `into`.

        On a CPU sums along the channels are products with ones; with them it takes half the time of torch's layer norm.
        """
        if kernels.can_run(x):
            from unnoise.kernels.norms import normalise

            return normalise(x.contiguous(memory_format=torch.channels_last), self.eps, centred=self.bias is not None)
        x = x.contiguous(memory_format=torch.channels_last)
        away = x - (channel_sums(x, exactly=False) / x.shape[1]).to(x.dtype)
        variance = channel_sums(away * away) / x.shape[1]
        inverse = torch.rsqrt(variance.clamp_min(0) + self.eps).to(x.dtype)  # (B, 1, H, W)
        # What rounding left of the mean is the same for all channels: `into` takes it away, and of the variance it is no 1/10,000th
        # unless the mean is five deviations.
        return x * inverse if self.bias is None else away.mul_(inverse)

    def into(self, weights: Weights) -> Weights:
        """The weights of a 1×1 convolution, with this layer's own taken in, blind to what is the same in all channels of a pixel."""
        weight, bias = weights
        scaled = weight * self.weight[:, None, None]
        if self.bias is None:
            return scaled, bias
        shift = weight.flatten(1) @ self.bias
        return scaled - scaled.mean(1, keepdim=True), shift if bias is None else bias + shift

    def _inverse_deviation(self, centred: Tensor) -> Tensor:
        # Two passes of means are several times faster than torch.var, which walks the strided channels one by one.
        return torch.rsqrt(centred.square().mean(1, keepdim=True) + self.eps)  # (B, 1, H, W)


class _BiasFree(torch.autograd.Function):
    """x / √(variance + eps) · weight along the last axis, (..., C) and (C) → (..., C).

    Torch's own layer norm gives (x − mean) / √(variance + eps) · weight and its gradient in one pass each; what the mean adds is a
    number for each pixel, times the weight.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        normal, mean, inverse = torch.native_layer_norm(x, weight.shape, weight, None, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        return normal.addcmul_(mean * inverse, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_x, of_weight, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, x, weight.shape, mean, inverse, weight, None, [True, True, False]
        )
        of_weight = of_weight + (mean * inverse).flatten() @ gradient.flatten(0, -2)
        of_added = (gradient @ weight)[..., None]  # to mean · inverse, (..., 1)
        # d(mean)/dx = 1/C, d(inverse)/dx = −inverse³ (x − mean)/C
        factor = of_added * mean * inverse**3 / -len(weight)
        return of_x.addcmul_(x, factor).add_(of_added * inverse / len(weight) - factor * mean), of_weight, None


def channel_sums(x: Tensor, *, exactly: bool = True) -> Tensor:
    """The sum along the channels of each pixel, (B, C, H, W) → (B, 1, H, W) in float32 at least, for an x that `can_fuse`, channels last.

    torch's sums of so few neighbours take several times as long as a product with ones. That rounds its results to x's type; a second
    one, of what the first left, makes them exact to twice as many bits where that is asked for.
    """
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # (B·H·W, C)
    ones = rows.new_ones(rows.shape[1], 1)
    coarse = rows @ ones
    sums = coarse.to(torch.promote_types(x.dtype, torch.float32))  # (B·H·W, 1)
    if exactly and sums.dtype != x.dtype:
        sums = sums + torch.addmm(-coarse, rows, ones)
    return sums.reshape(len(x), 1, *x.shape[-2:])


def image_means(x: Tensor) -> Tensor:
    """The mean of each channel of each image, (B, C, H, W) → (B, C, 1, 1), for an x that `can_fuse`.

    On a CPU, where the pixels are rows of memory, a product with ones takes half the time of torch's sums.
    """
    if x.stride(1) != 1 or kernels.can_run(x):
        return x.mean((2, 3), keepdim=True)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C)
    sums = rows.new_ones(1, 1, rows.shape[1]).expand(len(rows), -1, -1) @ rows  # (B, 1, C)
    return sums.mT[..., None] / rows.shape[1]


def mix_channels(matrices: Tensor, x: Tensor) -> Tensor:
    """Multiply each pixel of image b in x, (B, C, H, W), by the b-th of `matrices`, (B, C', C).

    Gives (B, C', H, W), in the memory format of x.
    """
    batch, _, height, width = x.shape
    if x.stride(1) == 1:
        rows = x.permute(0, 2, 3, 1).flatten(1, 2) @ matrices.mT  # (B, H·W, C')
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
    return (matrices @ x.flatten(2)).reshape(batch, -1, height, width)


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

    weight, bias = prepared(layer, "taps", x.dtype, make)
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
    from unnoise.kernels.few_outputs import arranged, convolve_to_few

    def make() -> Weights:
        weight, bias = weights_of(layer)
        return arranged(weight), bias

    taps, bias = prepared(layer, "few", working_type(x), make)
    x = x.to(taps.dtype).contiguous(memory_format=torch.channels_last)
    return convolve_to_few(x, taps, bias, layer.out_channels, replicate=layer.padding_mode == "replicate")


def _difference(layer: nn.Conv2d, x: Tensor, near: Tensor) -> Tensor:
    coarse = near.to(torch.bfloat16)
    weight, bias = prepared(layer, "last", torch.bfloat16, lambda: weights_of(layer))
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    rounded = None if bias is None else bias.to(torch.bfloat16)
    result = convolve_with(x, weight, rounded, minus=coarse, padding=padding).float() + coarse  # coarse itself is exact
    return result if bias is None or rounded is None else result + (bias - rounded)[:, None, None]
