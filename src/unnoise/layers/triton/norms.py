"""Layer normalization over the channels of each pixel, without weights: reads and writes each value once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

VALUES = 4096
"""About how many values one program processes."""


def layer_norm(x: Tensor, eps: float, *, centred: bool) -> Tensor:
    """(x − mean) / √(variance + eps) of each pixel, or x / √(variance + eps) if not `centred`: (B, C, H, W) → the same
    shape.

    Args:
        x: channels last.
        eps: added to the variance.
        centred: whether the mean is subtracted.
    """
    channels = x.shape[1]
    out = torch.empty_like(x)
    pixels = x.numel() // channels
    wide = triton.next_power_of_2(channels)
    together = max(1, VALUES // wide)
    _layer_norm[(triton.cdiv(pixels, together),)](x, out, pixels, eps, channels, centred, together, wide)
    return out


@triton.jit(do_not_specialize=["pixels"])
def _layer_norm(
    x, out, pixels, eps,
    CHANNELS: tl.constexpr, CENTRED: tl.constexpr, PIXELS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.arange(0, WIDE)
    inside = (pixel < pixels)[:, None] & (channel < CHANNELS)[None, :]
    at = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    v = tl.load(x + at, mask=inside, other=0).to(tl.float32)
    mean = tl.sum(v, axis=1) / CHANNELS
    away = tl.where(inside, v - mean[:, None], 0.0)
    inverse = 1 / tl.sqrt(tl.sum(away * away, axis=1) / CHANNELS + eps)
    v = away if CENTRED else v
    tl.store(out + at, (v * inverse[:, None]).to(out.dtype.element_ty), mask=inside)
