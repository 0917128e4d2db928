"""Networks whose maps are bytes, run as whole numbers: int8 convolutions of torch's library (oneDNN), at inference on a CPU.

A map is uint8, channels last, and counts steps of its own layer up and down from `ZERO`; a weight is a whole number of its output
channel's step. What one step of a map stands for is taken into the weights of the layers that see it, so that no map is ever multiplied
out again. The library cannot put a leaky ReLU into a convolution of bytes, and rounded before it, most of the 256 steps would go to what
is below zero: so a convolution gives float32, a few rows at a time that the caches hold, and what is below zero is made a tenth before it
is counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused import convolve_with, weights_of
from unnoise.layers.prepared import for_shape, kept, prepared

ZERO = 64
"""Of 0..255, what stands for 0 in a map."""
UP, DOWN = 255 - ZERO, ZERO
"""So many steps a map can hold above and below it: a leaky ReLU leaves little below."""
WHOLE = 127
"""A weight is one of the whole numbers from −127 to 127."""
FORMS = 16
"""Orders in memory that are kept of one kernel, the latest ones: pieces of a map are of several heights."""
CACHED = 2**20
"""Values in float32 that are worked out at a time before they are counted."""
warnings.filterwarnings(
    "ignore", "torch.quantize_per_tensor"
)  # where it has gone, `inference.precision` chooses another precision
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


def counted(layer: nn.Conv2d, slope: float, x: Tensor, steps: Tensor) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of the image x, in float32, then counted: (B, C, H, W) → (B, C', H, W) uint8.

    Args:
        layer: with padding 1.
        slope: of the leaky ReLU.
        x: float32.
        steps: (C'), what one step of each channel of the result stands for.
    """

    def make() -> tuple[Tensor, Tensor]:
        weight, bias = weights_of(layer)
        assert bias is not None
        return weight / steps[:, None, None, None], bias / steps

    weight, bias = prepared(layer, "counted", torch.float32, make)

    def rows(piece: Tensor) -> Tensor:
        return count(convolve_with(piece, weight, bias, "leaky_relu", slope=slope, padding=(1, 1)))

    return in_pieces(rows, x, len(steps))


def convolve_counted(
    layer: nn.Conv2d, slope: float, whole: Callable[[], tuple[Tensor, Tensor]], x: Tensor, steps: Tensor | None
) -> Tensor:
    """Leaky ReLU of a 3×3 convolution of a map of bytes, (B, C, H, W) uint8 → (B, C', H, W) uint8 or float32.

    Args:
        layer: with padding 1; its bias is the one that counts.
        slope: of the leaky ReLU.
        whole: gives its weights as whole numbers (C', C, 3, 3), and what one stands for where one step of the map enters (C', 1, 1, 1).
        x: the map.
        steps: (C'), what one step of each channel of the result stands for; None: the result is not counted.
    """

    def make() -> Counted:
        assert layer.bias is not None
        (weight, step), one = whole(), torch.ones_like(layer.bias) if steps is None else steps
        return weight.to(torch.int8), step.flatten() / one, layer.bias / one, {}

    weights = kept(layer, "bytes", make)

    def rows(piece: Tensor) -> Tensor:
        y = F.leaky_relu(_run(piece, weights), slope, inplace=True)
        return y if steps is None else count(y)

    return rows(x) if steps is None else in_pieces(rows, x, layer.out_channels)


def count(y: Tensor) -> Tensor:
    """Steps (B, C, H, W) float32 → uint8, rounded, 0 at `ZERO`."""
    whole = torch.quantize_per_tensor(y, 1.0, ZERO, torch.quint8)
    # The same memory: to ask for the numbers takes three times as long as to make them.
    return torch.empty(0, dtype=torch.uint8).set_(whole.untyped_storage(), 0, whole.shape, whole.stride())


def in_pieces(rows: Callable[[Tensor], Tensor], x: Tensor, leaving: int) -> Tensor:
    """rows(x) of a 3×3 convolution with padding 1, (B, C, H, W) → (B, leaving, H, W) uint8, some rows at a time."""
    batch, _, height, width = x.shape
    step = max(8, CACHED // (batch * leaving * width))
    if step >= height:
        return rows(x)
    result = torch.empty((batch, leaving, height, width), dtype=torch.uint8, memory_format=torch.channels_last)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        result[..., top:bottom, :] = rows(x[..., first:last, :])[..., top - first : bottom - first, :]
    return result


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


def _run(x: Tensor, layer: Counted) -> Tensor:
    """The convolution of a map of bytes, (B, C, H, W) uint8 → (B, C', H, W) float32."""
    weight, steps, bias, forms = layer
    where = [1, 1], [1, 1], [1, 1], 1  # stride, padding, dilation, groups

    def order() -> Tensor:
        ordered: Tensor = torch.ops.onednn.qconv_prepack(weight, torch.ones_like(steps), 1.0, ZERO, *where, list(x.shape))
        return ordered

    ordered = for_shape(forms, x, order, FORMS)
    x = x.contiguous(memory_format=torch.channels_last)
    zeros = torch.zeros(len(steps), dtype=torch.int32)
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        x, 1.0, ZERO, ordered, steps, zeros, bias, *where, 1.0, 0, torch.float32, "none", [], ""
    )
    return result
