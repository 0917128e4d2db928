"""What all layers that run in int8 have in common, and the choice of who applies the network that they do."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from unnoise.layers.weight_cache import get_or_make

warnings.filterwarnings("ignore", "torch.quantize_per_tensor")  # deprecated: where it is gone `inference.precision` sees it
WHOLE = 127
"""A weight is one of the whole numbers from −127 to 127."""
FORMS = 16
"""Orders in memory that are kept of one kernel, the latest ones: pieces of a map are of several heights."""
_active: ContextVar[bool] = ContextVar("_active", default=False)


@contextmanager
def bytewise() -> Iterator[None]:
    """While this lasts, convolutions that int8 makes faster run in it, and networks whose maps are bytes as a whole."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def is_bytewise(x: Tensor) -> bool:
    """Whether `bytewise` lasts and x is where it can be done: on a CPU, without a gradient."""
    return _active.get() and x.device.type == "cpu" and not torch.is_grad_enabled()


def whole_steps(weight: Tensor) -> Tensor:
    """(C', 1, 1, 1), the step of each output channel of which its largest weight is `WHOLE`, for (C', C, k, k)."""
    return weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12) / WHOLE


class Kernel(NamedTuple):
    """A kernel as whole numbers."""

    weight: Tensor
    """(C', C, k, k) int8."""
    steps: Tensor
    """(C'), what one of them stands for."""
    orders: dict[Hashable, Tensor]
    """The kernel in the library's own orders, by the shape of what it is applied to."""


def convolve_numbers(
    x: Tensor,
    kernel: Kernel,
    bias: Tensor,
    *,
    step: float = 1.0,
    zero: int = 0,
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    activation: Literal["none", "relu"] = "none",
) -> Tensor:
    """A convolution of whole numbers, (B, C, H, W) uint8 → (B, C', H', W') float32.

    Args:
        x: the numbers.
        kernel: always with the same zero, padding and dilation.
        bias: (C').
        step: what one of x stands for.
        zero: which of 0..255 stands for 0, as do those around x.
        padding, dilation: of rows and of columns.
        activation: of the result.
    """
    where, shape = ([1, 1], list(padding), list(dilation), 1), list(x.shape)

    def order() -> Tensor:
        ones = torch.ones_like(kernel.steps)
        ordered: Tensor = torch.ops.onednn.qconv_prepack(kernel.weight, ones, 1.0, zero, *where, shape)
        return ordered

    ordered = get_or_make(kernel.orders, tuple(shape), order, FORMS)
    x = x.contiguous(memory_format=torch.channels_last)
    zeros = torch.zeros(len(kernel.steps), dtype=torch.int32)
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        x, step, zero, ordered, kernel.steps, zeros, bias, *where, 1.0, 0, torch.float32, activation, [], ""
    )
    return result


def numbers(quantized: Tensor) -> Tensor:
    """The uint8 numbers of a quantized tensor, in its own memory: `int_repr` would take three times as long as it took to make them."""
    return torch.empty(0, dtype=torch.uint8).set_(quantized.untyped_storage(), 0, quantized.shape, quantized.stride())


def doubled_beside(x: Tensor, skip: Tensor) -> Tensor:
    """x with its sides doubled and the skip beside it, (B, C, H/2, W/2) and (B, S, H, W) → (B, C + S, H, W), channels last."""
    height, width = x.shape[-2:]
    both = x.new_empty(len(x), 2 * height, 2 * width, x.shape[1] + skip.shape[1]).permute(0, 3, 1, 2)
    apart = both[:, : x.shape[1]].view(len(x), x.shape[1], height, 2, width, 2)  # (B, C, H/2, 2, W/2, 2), the same memory
    apart.copy_(x[:, :, :, None, :, None].expand_as(apart))
    both[:, x.shape[1] :] = skip
    return both
