"""The epilogue of a convolution, in one pass and in place: bias, activation, and a sum or product with another map."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from unnoise.layers.triton.elementwise import ACTIVATIONS, BLOCK_VALUES, COMBINATIONS, apply_activation, combine


def apply_epilogue(
    y: Tensor,
    bias: Tensor | None,
    activation: str = "none",
    slope: float = 0.0,
    other: Tensor | None = None,
    what: str = "none",
) -> Tensor:
    """activation(y + bias), then `what` with `other`; overwrites y, (B, C, H, W), and returns it.

    Args:
        y: channels last.
        bias: (C).
        activation: a key of `elementwise.ACTIVATIONS`.
        slope: of the leaky ReLU.
        other: of y's shape, channels last.
        what: "plus", "minus", "times" or "none".
    """
    size = y.numel()
    _apply_epilogue[(triton.cdiv(size, BLOCK_VALUES),)](
        y, y if bias is None else bias, y if other is None else other, size, slope,
        y.shape[1], bias is not None, ACTIVATIONS[activation], COMBINATIONS[what], BLOCK_VALUES,
    )  # fmt: skip
    return y


@triton.jit
def _apply_epilogue(
    y, bias, other, size, slope,
    CHANNELS: tl.constexpr, BIASED: tl.constexpr, ACTIVATION: tl.constexpr, OTHER: tl.constexpr, BLOCK_VALUES: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0).to(tl.int64) * BLOCK_VALUES
    lane = tl.arange(0, BLOCK_VALUES)
    at = start + lane
    inside = at < size
    v = tl.load(y + at, mask=inside, other=0).to(tl.float32)
    if BIASED:
        channel = ((start % CHANNELS).to(tl.int32) + lane) % CHANNELS  # avoids a 64-bit division for each value
        v += tl.load(bias + channel).to(tl.float32)
    v = apply_activation(v, slope, ACTIVATION)
    v = combine(v, other, at, inside, OTHER)
    tl.store(y + at, v.to(y.dtype.element_ty), mask=inside)
