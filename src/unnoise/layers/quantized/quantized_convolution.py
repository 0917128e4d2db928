"""Convolutions with quantized weights and results, which networks learn with and then run in int8.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018:
training rounds as inference will, and gradients pass as if nothing were rounded. Esser et al., "Learned Step Size
Quantization", ICLR 2020: the scales are learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.deprecated.module_names import renamed
from unnoise.layers.leaky_convolution import NEGATIVE_SLOPE, LeakyConvolution
from unnoise.layers.quantized.byte_maps import LEVELS_ABOVE_ZERO, LEVELS_BELOW_ZERO, convolve_bytes, convolve_image_to_bytes
from unnoise.layers.quantized.int8 import runs_in_int8, upsample_and_concatenate, weight_scales
from unnoise.layers.upsample_convolution import can_fuse_upsampling, upsample_and_convolve

MIN_MAXIMUM = 1e-3
"""Least maximum of a channel at the start. The first batch may leave a channel unused."""
GRADIENT_SAMPLING_STRIDE = 3
"""Every third row and column gives the gradient of `log_maximum`. All of them would take longer than the convolution."""


class _FakeQuantize(torch.autograd.Function):
    """Leaky ReLU, clamped at e^log_maximum and rounded to its levels, (B, C, H, W) and (C) → (B, C, H, W) float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, log_maximum: Tensor) -> Tensor:
        step = (log_maximum.exp() / LEVELS_ABOVE_ZERO)[:, None, None]
        scales = F.leaky_relu_(x * (1 / step), NEGATIVE_SLOPE)
        ctx.save_for_backward(scales, step)
        return scales.round().clamp_(-LEVELS_BELOW_ZERO, LEVELS_ABOVE_ZERO).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """To x as if nothing were rounded; to `log_maximum` by what clamping and rounding changed in the result."""
        scales, step = ctx.saved_tensors
        (gradient,) = gradients
        some, some_gradients = (
            whole[..., ::GRADIENT_SAMPLING_STRIDE, ::GRADIENT_SAMPLING_STRIDE] for whole in (scales, gradient)
        )
        rounded = some.round().clamp_(-LEVELS_BELOW_ZERO, LEVELS_ABOVE_ZERO)
        share = torch.where(some.abs() > rounded.abs() + 0.5, rounded, rounded - some) * step
        of_top = (some_gradients * share).sum((0, 2, 3)) * (scales[0, 0].numel() / some[0, 0].numel())
        held = torch.ops.aten.hardtanh_backward(gradient, scales, -LEVELS_BELOW_ZERO, LEVELS_ABOVE_ZERO)
        return torch.ops.aten.leaky_relu_backward(held, scales, NEGATIVE_SLOPE, False), of_top


class QuantizedConvolution(LeakyConvolution):
    """3×3 convolution and leaky ReLU with int8 weights and uint8 result, (B, C, H, W) → (B, C', H, W).

    In training weights and result are rounded, and the gradient passes as if they were not. Otherwise they are rounded
    only within `int8_inference`.

    Args:
        in_channels, out_channels: C and C'.
        rounded: whether the result is quantized.

    Attributes:
        log_maximum: (C'), the logarithm of each channel's largest representable value; all 0 until the first batch sets
            it. Maxima differ by a factor of a hundred between maps, and in the logarithm all learn equally fast. None:
            the result is not quantized, which is better for a last hidden layer.
        sources: the layers whose concatenated results enter; empty: the input is the image, and the weights are not
            rounded.
        observed_maximum: (C'), the maximum that each channel needed since this was set; None: do not observe.

    Example:
        >>> QuantizedConvolution(3, 8)(torch.rand(1, 3, 5, 5)).shape
        torch.Size([1, 8, 5, 5])
    """

    log_maximum: nn.Parameter | None
    observed_maximum: Tensor | None = None

    def __init__(self, in_channels: int, out_channels: int, *, rounded: bool = True) -> None:
        super().__init__(in_channels, out_channels)
        self.register_parameter("log_maximum", nn.Parameter(torch.zeros(out_channels)) if rounded else None)
        self.sources: tuple[QuantizedConvolution, ...] = ()
        self._is_calibrated = False

    def set_sources(self, *sources: QuantizedConvolution) -> QuantizedConvolution:
        """Declare the layers whose results enter, and return this layer."""
        self.sources = sources
        return self

    def forward(self, x: Tensor, residual_base: Tensor | None = None) -> Tensor:
        if runs_in_int8(x):
            return self._run_in_int8(x)
        if not self.training:
            return self._observe(super().forward(x, residual_base))
        return self._fake_quantize(F.conv2d(x, self.fake_quantized_weight(), self.conv.bias, padding=1))

    def forward_upsampled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The same for x up-sampled by two, with a skip concatenated: (B, C, H/2, W/2) and (B, S, H, W) → (B, C', H,
        W)."""
        if x.dtype == torch.uint8:
            return self._run_in_int8(upsample_and_concatenate(x, skip))
        if self.training and can_fuse_upsampling(x):
            return self._fake_quantize(upsample_and_convolve(x, self.fake_quantized_weight(), self.conv.bias, skip))
        return self._observe(super().forward_upsampled(x, skip))

    def fake_quantized_weight(self) -> Tensor:
        """(C', C, 3, 3), rounded so that each weight times the scale of its input channel is an integer times its row's
        scale."""
        weight = self.conv.weight
        if not self.sources:
            return weight
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            whole, step = self.integer_weight()
            rounding = whole * step / self._input_scales() - weight
        return weight + rounding

    def integer_weight(self) -> tuple[Tensor, Tensor]:
        """Integer weights (C', C, 3, 3), and their scales (C', 1, 1, 1), with the scales of the input folded in."""
        weight = self.conv.weight * self._input_scales()
        step = weight_scales(weight)
        return (weight / step).round(), step

    def scales(self) -> Tensor | None:
        """(C'), the scale of each channel of the result; None where it is not quantized."""
        return None if self.log_maximum is None else self.log_maximum.detach().exp() / LEVELS_ABOVE_ZERO

    def _input_scales(self) -> Tensor:
        """(C, 1, 1), the scale of each input channel."""
        scales = [source.scales() for source in self.sources]
        return torch.cat([each for each in scales if each is not None])[:, None, None]

    def _run_in_int8(self, x: Tensor) -> Tensor:
        scales = self.scales()
        if self.sources:
            return convolve_bytes(self.conv, NEGATIVE_SLOPE, self.integer_weight, x, scales)
        assert scales is not None
        return convolve_image_to_bytes(self.conv, NEGATIVE_SLOPE, x, scales)

    def _fake_quantize(self, y: Tensor) -> Tensor:
        if self.log_maximum is None:
            return F.leaky_relu(y, NEGATIVE_SLOPE)
        if not self._is_calibrated:
            self._is_calibrated = bool(self.log_maximum.any()) or self._initialize_maximum(y.detach())
        result: Tensor = _FakeQuantize.apply(y.float(), self.log_maximum)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def _initialize_maximum(self, y: Tensor) -> bool:
        """Set `log_maximum` from the first batch, to the largest of all processes, which must agree."""
        assert self.log_maximum is not None
        self.log_maximum.copy_(_maximum_needed(F.leaky_relu(y.float(), NEGATIVE_SLOPE)).clamp_min(MIN_MAXIMUM).log())
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self.log_maximum, torch.distributed.ReduceOp.MAX)
        return True

    def _observe(self, y: Tensor) -> Tensor:
        """Record the maximum that a result needs, if asked to."""
        if self.observed_maximum is not None:
            self.observed_maximum = torch.maximum(self.observed_maximum, _maximum_needed(y))
        return y

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Load weights with maxima, without them (the next batch then gives them), and with their older name `top`."""
        new = f"{prefix}log_maximum"
        given = {new if key == f"{prefix}top" else key: value for key, value in state_dict.items()}
        unknown = {} if self.log_maximum is None else {new: self.log_maximum.new_zeros(self.log_maximum.shape)}
        super()._load_from_state_dict(unknown | given, prefix, *args, **kwargs)
        self._is_calibrated = False


def _maximum_needed(y: Tensor) -> Tensor:
    """The maximum that each channel of (B, C, H, W) needs, (C). There are more levels above zero than below."""
    return torch.maximum(y.amax((0, 2, 3)), -y.amin((0, 2, 3)) * LEVELS_ABOVE_ZERO / LEVELS_BELOW_ZERO)


__getattr__ = renamed(__name__, {"RoundedConvolution": "QuantizedConvolution"})
