"""Convolutions whose results are counted in bytes, for networks that run in int8: learnt so, not rounded afterwards.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018: training rounds
as inference will, and hands gradients through. Esser et al., "Learned Step Size Quantization", ICLR 2020: what the last of the steps
stands for is a weight that learns with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.bytewise import STEPS, convolve_counted, counted, doubled_beside, is_bytewise, whole_steps
from unnoise.denoisers.fused import (
    can_double,
    can_fuse,
    convolve,
    convolve_doubled,
    convolve_exactly,
    double_and_convolve,
)

LEAST = 1e-3
"""What the last step stands for to begin with, at least: the first batch may leave a channel without use."""


SAMPLED = 3
"""Every so many rows and columns of a map tell how `top` is to move: all of them would take longer than the convolution."""


class _Rectified(torch.autograd.Function):
    """ReLU, saturated at e^top and rounded to its `STEPS`, (B, C, H, W) and (C) → (B, C, H, W) float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: Tensor) -> Tensor:
        step = (top.exp() / STEPS)[:, None, None]
        steps = x * (1 / step)
        ctx.save_for_backward(steps, step)
        return steps.round().clamp_(0, STEPS).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """To x as if nothing were rounded; to `top` by what saturation and rounding made of the result."""
        steps, step = ctx.saved_tensors
        (gradient,) = gradients
        some, some_gradients = (whole[..., ::SAMPLED, ::SAMPLED] for whole in (steps, gradient))
        share = torch.where(some >= STEPS, STEPS, (some.round() - some) * (some > 0)) * step
        of_top = (some_gradients * share).sum((0, 2, 3)) * (steps[0, 0].numel() / some[0, 0].numel())
        return torch.ops.aten.hardtanh_backward(gradient, steps, 0, STEPS), of_top


class RoundedConvolution(nn.Module):
    """3×3 convolution and ReLU, whose weights and result are bytes, (B, C, H, W) → (B, C', H, W).

    In training both are rounded, and the gradient passes as if they were not. Else neither is, nor does the result saturate, but where
    `bytewise` runs the network.

    Args:
        entering, leaving: C and C'.

    Attributes:
        top: (C'), the logarithm of what the last step of each channel stands for; all 0 where that is not known yet: the first batch
            shows. Of what maps hold some is a hundred times larger than others, and all are to learn as fast.
        sources: whose results, joined, enter it; none: it sees the image, and its weights are not rounded.
    """

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(entering, leaving, 3, padding=1)
        self.top = nn.Parameter(torch.zeros(leaving))
        self.sources: tuple[RoundedConvolution, ...] = ()
        self._is_known = False

    def forward(self, x: Tensor) -> Tensor:
        if is_bytewise(x):
            return self._in_bytes(x)
        if not self.training:
            return (
                convolve_exactly(self.conv, x).relu_() if not self.sources and can_fuse(x) else convolve(self.conv, x, "relu")
            )
        return self._counted(F.conv2d(x, self.rounded_weight(), self.conv.bias, padding=1))

    def doubled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The same for x with its sides doubled and the skip beside it, (B, C, H/2, W/2) and (B, S, H, W) → (B, C', H, W)."""
        if x.dtype == torch.uint8:
            return self._in_bytes(doubled_beside(x, skip))
        if not can_double(x):
            return self(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))
        if not self.training:
            return convolve_doubled(self.conv, x, skip).relu_()
        return self._counted(double_and_convolve(x, self.rounded_weight(), self.conv.bias, skip))

    def rounded_weight(self) -> Tensor:
        """(C', C, 3, 3), each a whole number of its row's steps when multiplied by the step of the channel that it applies to."""
        weight = self.conv.weight
        if not self.sources:
            return weight
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            whole, step = self.whole_weight()
            rounding = whole * step / self._entering() - weight
        return weight + rounding

    def whole_weight(self) -> tuple[Tensor, Tensor]:
        """Whole numbers (C', C, 3, 3), and (C', 1, 1, 1) what one of them stands for where one step of the map enters."""
        weight = self.conv.weight * self._entering()
        step = whole_steps(weight)
        return (weight / step).round(), step

    def sees(self, *sources: RoundedConvolution) -> RoundedConvolution:
        """Declare the `sources`, and give back the layer."""
        self.sources = sources
        return self

    def _entering(self) -> Tensor:
        """(C, 1, 1), what one step of each channel that enters stands for."""
        return torch.cat([source.steps() for source in self.sources])[:, None, None]

    def steps(self) -> Tensor:
        """(C'), what one step of each channel of the result stands for."""
        return self.top.detach().exp() / STEPS

    def _in_bytes(self, x: Tensor) -> Tensor:
        if not self.sources:
            return counted(self.conv, x, self.steps())
        return convolve_counted(self.conv, self.whole_weight, x, self.steps())

    def _counted(self, y: Tensor) -> Tensor:
        if not self._is_known:
            self._is_known = bool(self.top.any()) or self._show(y.detach())
        result: Tensor = _Rectified.apply(y.float(), self.top)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def _show(self, y: Tensor) -> bool:
        """Let the results of the first batch say what `top` is, the largest of those of all processes, which must stay alike."""
        self.top.copy_(y.amax((0, 2, 3)).float().clamp_min(LEAST).log())
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self.top, torch.distributed.ReduceOp.MAX)
        return True

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Weights that were never counted fit as well: the next batch shows what their steps are."""
        known = {f"{prefix}top": torch.zeros_like(self.top)} | dict(state_dict)
        super()._load_from_state_dict(known, prefix, *args, **kwargs)
        self._is_known = False
