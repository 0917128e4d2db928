"""What follows a convolution, in one pass and in place: bias, activation, and a sum or product with another map."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from unnoise.layers.triton.passes import ACTIVATIONS, BLOCK, OTHERS, activated, with_other


def finish(
    y: Tensor,
    bias: Tensor | None,
    activation: str = "none",
    slope: float = 0.0,
    other: Tensor | None = None,
    what: str = "none",
) -> Tensor:
    """activation(y + bias), then `what` ('plus', 'minus', 'times') with `other`; written into y, (B, C, H, W), and given back.

    Args:
        y: channels last.
        bias: (C).
        other: of y's shape, channels last.
    """
    size = y.numel()
    _finish[(triton.cdiv(size, BLOCK),)](
        y, y if bias is None else bias, y if other is None else other, size, slope,
        y.shape[1], bias is not None, ACTIVATIONS[activation], OTHERS[what], BLOCK,
    )  # fmt: skip
    return y


@triton.jit
def _finish(
    y, bias, other, size, slope,
    CHANNELS: tl.constexpr, BIASED: tl.constexpr, ACTIVATION: tl.constexpr, OTHER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0).to(tl.int64) * BLOCK
    lane = tl.arange(0, BLOCK)
    at = start + lane
    inside = at < size
    v = tl.load(y + at, mask=inside, other=0).to(tl.float32)
    if BIASED:
        channel = ((start % CHANNELS).to(tl.int32) + lane) % CHANNELS  # no division of 64 bits for each value
        v += tl.load(bias + channel).to(tl.float32)
    v = activated(v, slope, ACTIVATION)
    v = with_other(v, other, at, inside, OTHER)
    tl.store(y + at, v.to(y.dtype.element_ty), mask=inside)
