"""Networks whose maps are bytes, run as whole numbers: int8 convolutions of torch's library (oneDNN), at inference on a CPU.

A map is uint8, channels last, and counts steps of its own layer; a weight is a whole number of its output channel's step. What one step
of a map stands for is taken into the weights of the layers that see it, so that no map is ever multiplied out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.fused import convolve_with, for_shape, kept, prepared, weights_of

STEPS = 255
"""Of a map: 0 is nothing, and all 255 are the most that it can hold."""
WHOLE = 127
"""A weight is one of the whole numbers from −127 to 127."""
FINER = 254
"""So many of the steps of what a last layer's weights leave over are one of their own: half a step is all 127."""
_active: ContextVar[bool] = ContextVar("_active", default=False)

Forms = dict[tuple[int, ...], Tensor]
Counted = tuple[Tensor, Tensor, Tensor, Forms]
"""A kernel (C', C, 3, 3) int8, the step of each of its output channels (C'), a bias (C'), and the kernel in the library's own orders."""


@contextmanager
def bytewise() -> Iterator[None]:
    """While this lasts, networks whose maps are bytes run in int8."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def is_bytewise(x: Tensor) -> bool:
    """Whether `bytewise` lasts and x is where it can be done: on a CPU, without a gradient."""
    return _active.get() and x.device.type == "cpu" and not torch.is_grad_enabled()


def counted(layer: nn.Conv2d, x: Tensor, steps: Tensor) -> Tensor:
    """ReLU of a 3×3 convolution of the image x, in float32, then counted: (B, C, H, W) → (B, C', H, W) uint8.

    Args:
        layer: with padding 1.
        x: float32.
        steps: (C'), what one step of each channel of the result stands for.
    """

    def make() -> tuple[Tensor, Tensor]:
        weight, bias = weights_of(layer)
        assert bias is not None
        return weight / steps[:, None, None, None], bias / steps + 0.5  # so that cutting off is rounding

    weight, bias = prepared(layer, "counted", torch.float32, make)
    return convolve_with(x, weight, bias, "hardtanh", most=STEPS + 0.5, padding=(1, 1)).to(torch.uint8)


def convolve_counted(layer: nn.Conv2d, whole: Callable[[], tuple[Tensor, Tensor]], x: Tensor, steps: Tensor) -> Tensor:
    """ReLU of a 3×3 convolution of a map of bytes, (B, C, H, W) uint8 → (B, C', H, W) uint8.

    Args:
        layer: with padding 1; its bias is the one that counts.
        whole: gives its weights as whole numbers (C', C, 3, 3), and what one stands for where one step of the map enters (C', 1, 1, 1).
        x: the map.
        steps: (C'), what one step of each channel of the result stands for.
    """

    def make() -> Counted:
        assert layer.bias is not None
        weight, step = whole()
        return weight.to(torch.int8), step.flatten() / steps, layer.bias / steps, {}

    return _run(x, kept(layer, "bytes", make), torch.uint8, "relu")


def convolve_last(layer: nn.Conv2d, x: Tensor, entering: Tensor) -> Tensor:
    """A network's last convolution, (B, C, H, W) uint8 → (B, C', H, W) float32, whose weights are exact to 15 bits.

    Each is two whole numbers, what eight bits leave over being counted in `FINER` steps by a second set of output channels.

    Args:
        layer: 3×3 with padding 1.
        x: a map of bytes.
        entering: (C), what one step of each of its channels stands for.
    """

    def make() -> Counted:
        weight = layer.weight * entering[:, None, None]
        step = whole_steps(weight)
        coarse = (weight / step).round()
        fine = ((weight / step - coarse) * FINER).round()
        both = torch.cat([coarse, fine]).to(torch.int8)  # (2·C', C, 3, 3)
        bias = torch.zeros_like(step.flatten()) if layer.bias is None else layer.bias
        return both, torch.cat([step, step / FINER]).flatten(), torch.cat([bias, torch.zeros_like(bias)]), {}

    y = _run(x, kept(layer, "bytes", make), torch.float32, "none")
    coarse, fine = y.chunk(2, dim=1)
    return coarse + fine


def doubled_beside(x: Tensor, skip: Tensor) -> Tensor:
    """x with its sides doubled and the skip beside it, (B, C, H/2, W/2) and (B, S, H, W) → (B, C + S, H, W), channels last."""
    height, width = x.shape[-2:]
    both = x.new_empty(len(x), 2 * height, 2 * width, x.shape[1] + skip.shape[1]).permute(0, 3, 1, 2)
    apart = both[:, : x.shape[1]].view(len(x), x.shape[1], height, 2, width, 2)  # (B, C, H/2, 2, W/2, 2), the same memory
    apart.copy_(x[:, :, :, None, :, None].expand_as(apart))
    both[:, x.shape[1] :] = skip
    return both


def whole_steps(weight: Tensor) -> Tensor:
    """(C', 1, 1, 1), the step of each output channel of which its largest weight is `WHOLE`, for (C', C, k, k)."""
    return weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12) / WHOLE


def _run(x: Tensor, layer: Counted, kind: torch.dtype, activation: str) -> Tensor:
    weight, steps, bias, forms = layer
    where = [1, 1], [1, 1], [1, 1], 1  # stride, padding, dilation, groups
    shape = list(x.shape)
    ordered = for_shape(forms, x, lambda: torch.ops.onednn.qconv_prepack(weight, torch.ones_like(steps), 1.0, 0, *where, shape))
    x = x.contiguous(memory_format=torch.channels_last)
    zeros = torch.zeros(len(steps), dtype=torch.int32)
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        x, 1.0, 0, ordered, steps, zeros, bias, *where, 1.0, 0, kind, activation, [], ""
    )
    return result
