"""Layer normalisation over channels, written to be fast in either memory format and safe under autocast."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unnoise.layers import triton as kernels
from unnoise.layers.channel_mixing import channel_sums
from unnoise.layers.pointwise import are_rows
from unnoise.layers.weight_cache import Weights

NormKind = Literal["BiasFree", "WithBias"]


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
            from unnoise.layers.triton.norms import normalise

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
