"""Convolutions whose results are counted in bytes, for networks that run in int8, and that can learn with their maps rounded.

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

from unnoise.layers.leaky_convolution import SLOPE, Convolution
from unnoise.layers.quantized.byte_maps import DOWN, UP, convolve_counted, counted
from unnoise.layers.quantized.int8 import doubled_beside, is_bytewise, whole_steps
from unnoise.layers.upsample_convolution import can_double, double_and_convolve

LEAST = 1e-3
"""What the last step stands for to begin with, at least: the first batch may leave a channel without use."""
SAMPLED = 3
"""Every so many rows and columns of a map tell how `top` is to move: all of them would take longer than the convolution."""


class _Counted(torch.autograd.Function):
    """Leaky ReLU, saturated at e^top and rounded to its steps, (B, C, H, W) and (C) → (B, C, H, W) float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: Tensor) -> Tensor:
        step = (top.exp() / UP)[:, None, None]
        steps = F.leaky_relu_(x * (1 / step), SLOPE)
        ctx.save_for_backward(steps, step)
        return steps.round().clamp_(-DOWN, UP).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """To x as if nothing were rounded; to `top` by what saturation and rounding made of the result."""
        steps, step = ctx.saved_tensors
        (gradient,) = gradients
        some, some_gradients = (whole[..., ::SAMPLED, ::SAMPLED] for whole in (steps, gradient))
        rounded = some.round().clamp_(-DOWN, UP)
        share = torch.where(some.abs() > rounded.abs() + 0.5, rounded, rounded - some) * step
        of_top = (some_gradients * share).sum((0, 2, 3)) * (steps[0, 0].numel() / some[0, 0].numel())
        held = torch.ops.aten.hardtanh_backward(gradient, steps, -DOWN, UP)
        return torch.ops.aten.leaky_relu_backward(held, steps, SLOPE, False), of_top


class RoundedConvolution(Convolution):
    """3×3 convolution and leaky ReLU, whose weights and result are bytes, (B, C, H, W) → (B, C', H, W).

    In training both are rounded, and the gradient passes as if they were not. Else neither is, but where `bytewise` runs the network.

    Args:
        entering, leaving: C and C'.

    Attributes:
        top: (C'), the logarithm of what the last step of each channel stands for; all 0 where that is not known yet: the first batch
            shows. Of what maps hold some is a hundred times larger than others, and all are to learn as fast. None: the result is not
            rounded, as a last hidden layer's had better not be.
        sources: whose results, joined, enter it; none: it sees the image, and its weights are not rounded.
        largest: (C'), while it is no None: what the last step of each channel must stand for to hold all that it gave meanwhile.
    """

    top: nn.Parameter | None
    largest: Tensor | None = None

    def __init__(self, entering: int, leaving: int, *, rounded: bool = True) -> None:
        super().__init__(entering, leaving)
        self.register_parameter("top", nn.Parameter(torch.zeros(leaving)) if rounded else None)
        self.sources: tuple[RoundedConvolution, ...] = ()
        self._is_known = False

    def sees(self, *sources: RoundedConvolution) -> RoundedConvolution:
        """Declare the `sources`, and give back the layer."""
        self.sources = sources
        return self

    def forward(self, x: Tensor, near: Tensor | None = None) -> Tensor:
        if is_bytewise(x):
            return self._in_bytes(x)
        if not self.training:
            return self._watched(super().forward(x, near))
        return self._counted(F.conv2d(x, self.rounded_weight(), self.conv.bias, padding=1))

    def doubled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The same for x with its sides doubled and the skip beside it, (B, C, H/2, W/2) and (B, S, H, W) → (B, C', H, W)."""
        if x.dtype == torch.uint8:
            return self._in_bytes(doubled_beside(x, skip))
        if self.training and can_double(x):
            return self._counted(double_and_convolve(x, self.rounded_weight(), self.conv.bias, skip))
        return self._watched(super().doubled(x, skip))

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

    def steps(self) -> Tensor | None:
        """(C'), what one step of each channel of the result stands for; None where it is not rounded."""
        return None if self.top is None else self.top.detach().exp() / UP

    def _entering(self) -> Tensor:
        """(C, 1, 1), what one step of each channel that enters stands for."""
        steps = [source.steps() for source in self.sources]
        return torch.cat([each for each in steps if each is not None])[:, None, None]

    def _in_bytes(self, x: Tensor) -> Tensor:
        steps = self.steps()
        if self.sources:
            return convolve_counted(self.conv, SLOPE, self.whole_weight, x, steps)
        assert steps is not None
        return counted(self.conv, SLOPE, x, steps)

    def _counted(self, y: Tensor) -> Tensor:
        if self.top is None:
            return F.leaky_relu(y, SLOPE)
        if not self._is_known:
            self._is_known = bool(self.top.any()) or self._show(y.detach())
        result: Tensor = _Counted.apply(y.float(), self.top)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def _show(self, y: Tensor) -> bool:
        """Let the results of the first batch say what `top` is, the largest of those of all processes, which must stay alike."""
        assert self.top is not None
        self.top.copy_(_needed(F.leaky_relu(y.float(), SLOPE)).clamp_min(LEAST).log())
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self.top, torch.distributed.ReduceOp.MAX)
        return True

    def _watched(self, y: Tensor) -> Tensor:
        if self.largest is not None:
            self.largest = torch.maximum(self.largest, _needed(y))
        return y

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Weights that were never counted fit as well: the next batch shows what their steps are."""
        unknown = {} if self.top is None else {f"{prefix}top": torch.zeros_like(self.top)}
        super()._load_from_state_dict(unknown | dict(state_dict), prefix, *args, **kwargs)
        self._is_known = False


def _needed(y: Tensor) -> Tensor:
    """What the last step must stand for to hold all of (B, C, H, W), (C): there are more steps above zero than below."""
    return torch.maximum(y.amax((0, 2, 3)), -y.amin((0, 2, 3)) * UP / DOWN)
