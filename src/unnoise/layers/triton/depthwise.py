"""Depthwise 3×3 convolutions with their epilogue. They compute so little that passes over memory are their whole cost."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from unnoise.layers.triton.elementwise import ACTIVATIONS, COMBINATIONS, apply_activation, combine

PIXELS, CHANNELS = 32, 64
"""Pixels and channels of one program."""


def convolve_depthwise(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str = "none",
    slope: float = 0.0,
    other: Tensor | None = None,
    what: str = "none",
) -> Tensor:
    """A depthwise 3×3 convolution with zero padding, (B, C, H, W) → the same shape, and its epilogue; see `epilogue`.

    Args:
        x, other: channels last.
        weight: (C, 1, 3, 3).
        bias: (C) or None.
        activation, slope, what: as in `epilogue.apply_epilogue`.
    """
    batch, channels, height, width = x.shape
    out = torch.empty_like(x)
    pixels = batch * height * width
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, CHANNELS))
    taps = weight.reshape(channels, 9)
    _depthwise[grid](
        x, taps, x if bias is None else bias, x if other is None else other, out, pixels, height, width, slope,
        channels, bias is not None, ACTIVATIONS[activation], COMBINATIONS[what], PIXELS, CHANNELS,
    )  # fmt: skip
    return out


@triton.jit(do_not_specialize=["pixels", "height", "width"])  # otherwise each size is compiled anew
def _depthwise(
    x, taps, bias, other, out, pixels, height, width, slope,
    C: tl.constexpr, BIASED: tl.constexpr, ACTIVATION: tl.constexpr, OTHER: tl.constexpr,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    column, row = pixel % width, pixel // width % height
    known = channel < C
    inside = (pixel < pixels)[:, None] & known[None, :]
    v = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for tap in tl.static_range(9):
        down, right = tap // 3 - 1, tap % 3 - 1
        there = (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
        at = (pixel + down * width + right).to(tl.int64)[:, None] * C + channel[None, :]
        seen = tl.load(x + at, mask=inside & there[:, None], other=0).to(tl.float32)
        v += seen * tl.load(taps + channel * 9 + tap, mask=known, other=0).to(tl.float32)[None, :]
    if BIASED:
        v += tl.load(bias + channel, mask=known, other=0).to(tl.float32)[None, :]
    v = apply_activation(v, slope, ACTIVATION)
    at = pixel.to(tl.int64)[:, None] * C + channel[None, :]
    v = combine(v, other, at, inside, OTHER)
    tl.store(out + at, v.to(out.dtype.element_ty), mask=inside)
