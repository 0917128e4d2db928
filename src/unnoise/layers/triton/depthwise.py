"""Depthwise 3×3 convolutions with what follows them: they do so little for each value that passes over memory are all their cost."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from unnoise.layers.triton.passes import ACTIVATIONS, OTHERS, activated, with_other

PIXELS, CHANNELS = 32, 64
"""That one program works on."""


def convolve_depthwise(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str = "none",
    slope: float = 0.0,
    other: Tensor | None = None,
    what: str = "none",
) -> Tensor:
    """A 3×3 convolution of each channel by itself, with a border of zeros: (B, C, H, W) → the same; see `finishing.finish`.

    Args:
        x, other: channels last.
        weight: (C, 1, 3, 3).
    """
    batch, channels, height, width = x.shape
    out = torch.empty_like(x)
    pixels = batch * height * width
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, CHANNELS))
    taps = weight.reshape(channels, 9)
    _depthwise[grid](
        x, taps, x if bias is None else bias, x if other is None else other, out, pixels, height, width, slope,
        channels, bias is not None, ACTIVATIONS[activation], OTHERS[what], PIXELS, CHANNELS,
    )  # fmt: skip
    return out


@triton.jit(do_not_specialize=["pixels", "height", "width"])  # or each size would be compiled by itself
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
    v = activated(v, slope, ACTIVATION)
    at = pixel.to(tl.int64)[:, None] * C + channel[None, :]
    v = with_other(v, other, at, inside, OTHER)
    tl.store(out + at, v.to(out.dtype.element_ty), mask=inside)
