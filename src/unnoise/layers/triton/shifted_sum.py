"""The sum of four shifted maps, with bias and activation: the part of a tunable network that depends on the blind
spot's size."""

from __future__ import annotations

from collections.abc import Sequence

import triton
import triton.language as tl
from torch import Tensor

from unnoise.layers.triton.elementwise import ACTIVATIONS, apply_activation

PIXELS, CHANNELS = 32, 128
"""Pixels and channels of one program."""


def shifted_sum(
    maps: Sequence[tuple[Tensor, int, int]], bias: Tensor, rows: int, columns: int, activation: str = "none", slope: float = 0.0
) -> Tensor:
    """activation(bias + the sum of windows of four maps), (B, C, h, W) each → (B, C, rows, columns).

    Args:
        maps: four, channels last, each with the row and column where its window begins. Outside of a map are zeros.
        bias: (C).
        rows, columns: size of the result.
        activation: a key of `elementwise.ACTIVATIONS`.
        slope: of the leaky ReLU.
    """
    first = maps[0][0]
    batch, channels = first.shape[:2]
    out = first.new_empty(batch, rows, columns, channels)
    pixels = batch * rows * columns
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, CHANNELS))
    places = [number for x, top, left in maps for number in (x.shape[-2], x.shape[-1], top, left)]
    _shifted_sum[grid](
        *(x for x, _, _ in maps), *places, bias, out, pixels, rows, columns, slope,
        channels, ACTIVATIONS[activation], PIXELS, CHANNELS,
    )  # fmt: skip
    return out.permute(0, 3, 1, 2)


@triton.jit
def _load_shifted(
    x, height, width, top, left, image, row, column, channel, inside,
    C: tl.constexpr,
):  # fmt: skip
    there = (row + top >= 0) & (row + top < height) & (column + left >= 0) & (column + left < width)
    place = (image * height + row + top) * width + column + left
    return tl.load(x + place.to(tl.int64)[:, None] * C + channel[None, :], mask=inside & there[:, None], other=0).to(tl.float32)


@triton.jit(
    do_not_specialize=[f"{name}_{what}" for name in "abcd" for what in ("height", "width", "top", "left")]
    + ["pixels", "rows", "columns"]
)  # otherwise each blind spot is compiled anew
def _shifted_sum(
    a, b, c, d,
    a_height, a_width, a_top, a_left, b_height, b_width, b_top, b_left,
    c_height, c_width, c_top, c_left, d_height, d_width, d_top, d_left,
    bias, out, pixels, rows, columns, slope,
    C: tl.constexpr, ACTIVATION: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    column, row, image = pixel % columns, pixel // columns % rows, pixel // columns // rows
    inside = (pixel < pixels)[:, None] & (channel < C)[None, :]
    v = tl.load(bias + channel, mask=channel < C, other=0).to(tl.float32)[None, :]
    v = v + _load_shifted(a, a_height, a_width, a_top, a_left, image, row, column, channel, inside, C)
    v = v + _load_shifted(b, b_height, b_width, b_top, b_left, image, row, column, channel, inside, C)
    v = v + _load_shifted(c, c_height, c_width, c_top, c_left, image, row, column, channel, inside, C)
    v = v + _load_shifted(d, d_height, d_width, d_top, d_left, image, row, column, channel, inside, C)
    v = apply_activation(v, slope, ACTIVATION)
    at = pixel.to(tl.int64)[:, None] * C + channel[None, :]
    tl.store(out + at, v.to(out.dtype.element_ty), mask=inside)
