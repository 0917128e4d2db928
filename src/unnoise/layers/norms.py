"""Layer normalization over channels: fast in either memory format, and safe under autocast."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unnoise.layers import triton as kernels
from unnoise.layers.channel_mixing import channel_sums
from unnoise.layers.pointwise import is_channels_last
from unnoise.layers.weight_cache import Weights

NormKind = Literal["BiasFree", "WithBias"]


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of each pixel, (B, C, H, W) → the same shape.

    Zamir et al., "Restormer", CVPR 2022. The variance is about the mean in both kinds.

    Args:
        channels: C.
        kind: ``"WithBias"``: (x − mean) / √(variance + eps) · weight + bias; ``"BiasFree"``: x / √(variance + eps) ·
            weight.
        eps: added to the variance.

    Example:
        >>> norm = ChannelNorm(8, "WithBias", eps=1e-5)
        >>> norm(torch.rand(1, 8, 4, 4)).mean().abs() < 1e-5
        tensor(True)
    """

    bias: nn.Parameter | None

    def __init__(self, channels: int, kind: NormKind, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if kind == "WithBias" else None)

    def forward(self, x: Tensor) -> Tensor:
        # The statistics need at least float32, also under autocast.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        weight = self.weight.to(wide.dtype)
        if self.bias is None and is_channels_last(x):
            rows: Tensor = _BiasFree.apply(wide.permute(0, 2, 3, 1), weight, self.eps)  # type: ignore[no-untyped-call]
            return rows.permute(0, 3, 1, 2).to(x.dtype)
        if self.bias is None:
            return (wide * self._inverse_deviation(wide - wide.mean(1, keepdim=True)) * weight[:, None, None]).to(x.dtype)
        bias = self.bias.to(wide.dtype)
        if x.stride(1) == 1:  # channels last: torch's fused kernel needs no copy
            return F.layer_norm(wide.permute(0, 2, 3, 1), weight.shape, weight, bias, self.eps).permute(0, 3, 1, 2).to(x.dtype)
        wide = wide - wide.mean(1, keepdim=True)
        return (wide * self._inverse_deviation(wide) * weight[:, None, None] + bias[:, None, None]).to(x.dtype)

    def normalize(self, x: Tensor) -> Tensor:
        """The normalization without weight and bias, for an x that `can_fuse`; a 1×1 convolution takes these in by
        `fold_into`.

        On a CPU the sums over channels are matrix products with ones. That takes half the time of torch's layer norm.
        """
        if kernels.can_run(x):
            from unnoise.layers.triton.norms import layer_norm

            return layer_norm(x.contiguous(memory_format=torch.channels_last), self.eps, centred=self.bias is not None)
        x = x.contiguous(memory_format=torch.channels_last)
        away = x - (channel_sums(x, exactly=False) / x.shape[1]).to(x.dtype)
        variance = channel_sums(away * away) / x.shape[1]
        inverse = torch.rsqrt(variance.clamp_min(0) + self.eps).to(x.dtype)  # (B, 1, H, W)
        # Rounding leaves some of the mean, the same in all channels, which `fold_into` ignores. It is under 1/10,000 of
        # the variance unless the mean is five deviations.
        return x * inverse if self.bias is None else away.mul_(inverse)

    def fold_into(self, weights: Weights) -> Weights:
        """The weights of the 1×1 convolution that follows, with this norm's weight and bias folded in.

        The result ignores any value that is the same in all channels of a pixel.
        """
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

    Torch's fused layer norm gives (x − mean) / √(variance + eps) · weight and its gradient. This adds mean / √(variance
    + eps) · weight.
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
