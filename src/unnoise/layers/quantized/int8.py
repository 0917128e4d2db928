"""What all int8 layers share: the switch that turns int8 on, the kernel, and the convolution itself."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from unnoise.layers.weight_cache import get_or_make_layout

warnings.filterwarnings("ignore", "torch.quantize_per_tensor")  # deprecated; `inference.precision` notices when it is gone
MAX_WEIGHT = 127
"""Weights are integers from −127 to 127."""
MAX_LAYOUTS = 16
"""How many memory layouts of one kernel are kept, the latest ones. Strips of a map have several heights."""
_active: ContextVar[bool] = ContextVar("_active", default=False)


@contextmanager
def int8_inference() -> Iterator[None]:
    """Within this context convolutions run in int8 where that is faster, and networks with uint8 maps run in int8 as a
    whole.

    Example:
        >>> with torch.no_grad(), int8_inference():
        ...     runs_in_int8(torch.rand(1))
        True
    """
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def runs_in_int8(x: Tensor) -> bool:
    """Whether `int8_inference` is active and x allows it: on a CPU, without a gradient.

    >>> runs_in_int8(torch.zeros(1))
    False
    """
    return _active.get() and x.device.type == "cpu" and not torch.is_grad_enabled()


def weight_scales(weight: Tensor) -> Tensor:
    """The scale of each output channel, with which its largest weight is `MAX_WEIGHT`: (C', C, k, k) → (C', 1, 1, 1).

    Example:
        >>> weight_scales(torch.full((1, 1, 1, 1), 254.0)).item()
        2.0
    """
    return weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12) / MAX_WEIGHT


class Int8Kernel(NamedTuple):
    """A kernel of integers.

    >>> kernel = Int8Kernel(torch.ones(2, 3, 1, 1, dtype=torch.int8), torch.tensor([0.1, 0.2]), {})
    >>> (kernel.weight * kernel.scales[:, None, None, None])[:, 0, 0, 0]
    tensor([0.1000, 0.2000])
    """

    weight: Tensor
    """(C', C, k, k) int8."""
    scales: Tensor
    """(C'), the value of one unit."""
    layouts: dict[Hashable, Tensor]
    """The kernel in oneDNN's memory layouts, by the shape of the input."""


def convolve_int8(
    x: Tensor,
    kernel: Int8Kernel,
    bias: Tensor,
    *,
    step: float = 1.0,
    zero: int = 0,
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    activation: Literal["none", "relu"] = "none",
) -> Tensor:
    """A convolution of integers, (B, C, H, W) uint8 → (B, C', H', W') float32.

    Args:
        x: the integers.
        kernel: must always be used with the same zero point, padding and dilation.
        bias: (C').
        step: scale of x, the value of one unit.
        zero: zero point of x, also used as padding.
        padding, dilation: of rows and of columns.
        activation: of the result.
    """
    where, shape = ([1, 1], list(padding), list(dilation), 1), list(x.shape)

    def order() -> Tensor:
        ones = torch.ones_like(kernel.scales)
        packed: Tensor = torch.ops.onednn.qconv_prepack(kernel.weight, ones, 1.0, zero, *where, shape)
        return packed

    packed = get_or_make_layout(kernel.layouts, tuple(shape), order, MAX_LAYOUTS)
    x = x.contiguous(memory_format=torch.channels_last)
    zeros = torch.zeros(len(kernel.scales), dtype=torch.int32)
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        x, step, zero, packed, kernel.scales, zeros, bias, *where, 1.0, 0, torch.float32, activation, [], ""
    )
    return result


def integer_values(quantized: Tensor) -> Tensor:
    """The uint8 values of a quantized tensor, sharing its memory. `int_repr` would take three times as long as
    quantizing did.

    >>> from unnoise.layers.quantized.byte_maps import quantize
    >>> quantize(torch.zeros(1, 1, 2, 2)).dtype
    torch.uint8
    """
    return torch.empty(0, dtype=torch.uint8).set_(quantized.untyped_storage(), 0, quantized.shape, quantized.stride())


def upsample_and_concatenate(x: Tensor, skip: Tensor) -> Tensor:
    """x up-sampled by two, and a skip: (B, C, H/2, W/2) and (B, S, H, W) → (B, C + S, H, W), channels last.

    >>> upsample_and_concatenate(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 2, 2))[0, 0]
    tensor([[1., 1.],
            [1., 1.]])
    """
    height, width = x.shape[-2:]
    both = x.new_empty(len(x), 2 * height, 2 * width, x.shape[1] + skip.shape[1]).permute(0, 3, 1, 2)
    apart = both[:, : x.shape[1]].view(len(x), x.shape[1], height, 2, width, 2)  # (B, C, H/2, 2, W/2, 2), the same memory
    apart.copy_(x[:, :, :, None, :, None].expand_as(apart))
    both[:, x.shape[1] :] = skip
    return both
