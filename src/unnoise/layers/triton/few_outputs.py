"""A network's last convolution, from many features to the few channels of an image, without rounding the image to
bfloat16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

PIXELS = 128
"""Pixels of one program."""
OUTPUTS = 16
"""The narrowest matrix that tensor cores multiply; unused columns are zeros."""


def pack_taps(weight: Tensor) -> Tensor:
    """A kernel (C', C, k, k) in the layout of `convolve_few_outputs`, (k², OUTPUTS, C, 1), with OUTPUTS last in memory."""
    leaving, entering, side, _ = weight.shape
    taps = weight.permute(2, 3, 0, 1).reshape(side * side, leaving, entering, 1)
    return F.pad(taps, (0, 0, 0, 0, 0, OUTPUTS - leaving)).contiguous(memory_format=torch.channels_last)


def convolve_few_outputs(x: Tensor, taps: Tensor, bias: Tensor | None, leaving: int, *, replicate: bool = False) -> Tensor:
    """A convolution that keeps the size, (B, C, H, W) → (B, C', H, W) float32, whatever the type of x.

    Args:
        x: channels last.
        taps: of `pack_taps`, in the type of x, for 1×1 or 3×3.
        bias: (C').
        leaving: C', at most `OUTPUTS`.
        replicate: pad by replication, not with zeros.
    """
    batch, entering, height, width = x.shape
    side = {1: 1, 9: 3}[len(taps)]
    out = x.new_empty(batch, height, width, leaving, dtype=torch.float32)
    pixels = batch * height * width
    chunk = next((size for size in (64, 32, 16) if entering % size == 0), 16)
    _to_few[(triton.cdiv(pixels, PIXELS),)](
        x, taps, out if bias is None else bias, out, pixels, height, width,
        entering, leaving, side, bias is not None, replicate, PIXELS, chunk, OUTPUTS,
    )  # fmt: skip
    return out.permute(0, 3, 1, 2)


@triton.jit(do_not_specialize=["pixels", "height", "width"])  # otherwise each size is compiled anew
def _to_few(
    x, taps, bias, out, pixels, height, width,
    C: tl.constexpr, LEAVING: tl.constexpr, SIDE: tl.constexpr, BIASED: tl.constexpr, REPLICATE: tl.constexpr,
    PIXELS: tl.constexpr, CHUNK: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    output = tl.arange(0, OUTPUTS)
    within = pixel < pixels
    column, row = pixel % width, pixel // width % height
    v = tl.zeros((PIXELS, OUTPUTS), tl.float32)
    for tap in tl.static_range(SIDE * SIDE):
        down, right = tap // SIDE - SIDE // 2, tap % SIDE - SIDE // 2
        if REPLICATE:
            down = tl.minimum(tl.maximum(row + down, 0), height - 1) - row
            right = tl.minimum(tl.maximum(column + right, 0), width - 1) - column
            there = within
        else:
            there = within & (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
        place = (pixel + down * width + right).to(tl.int64)
        for first in tl.static_range(0, C, CHUNK):
            channel = first + tl.arange(0, CHUNK)
            known = channel < C
            seen = tl.load(x + place[:, None] * C + channel[None, :], mask=there[:, None] & known[None, :], other=0)
            weights = tl.load(taps + (tap * C + channel)[:, None] * OUTPUTS + output[None, :], mask=known[:, None], other=0)
            v = tl.dot(seen, weights, v, input_precision="ieee")
    if BIASED:
        v += tl.load(bias + output, mask=output < LEAVING, other=0).to(tl.float32)[None, :]
    tl.store(
        out + pixel.to(tl.int64)[:, None] * LEAVING + output[None, :], v, mask=within[:, None] & (output < LEAVING)[None, :]
    )
