"""Splitting an image into its s² polyphase components, and putting them back.

Component (i, j) of stride s holds every s-th pixel in each direction, starting at row i and column j: ``x[..., i::s, j::s]``.
Pixel-shuffle down-sampling (PD), dilated convolution and grid attention are all work on these components, so the operation is
written here once. Two layouts exist in the field, and a convolution sees different neighbours in each:

- *batch* (AMSNet): the components become s² times as many images;
- *mosaic* (AP-BSN, SS-BSN): they lie side by side in one image, each with a border of zeros, and convolutions see across the seams.

Sides that are no multiple of s are padded with zeros at the bottom and right; `merge_*` crops when told the size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) with zeros at the bottom and right until both sides divide by `multiple`."""
    rows, columns = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return F.pad(x, (0, columns, 0, rows)) if rows or columns else x


def split_batch(x: Tensor, stride: int) -> Tensor:
    """Split (B, C, H, W) into (B·s², C, ⌈H/s⌉, ⌈W/s⌉), the offsets running fastest after B, in row-major order."""
    _check(x, stride)
    x = pad_to_multiple(x, stride)
    batch, channels, height, width = x.shape
    if _has_channels_last(x):
        x = x.permute(0, 2, 3, 1).reshape(batch, height // stride, stride, width // stride, stride, channels)
        x = x.permute(0, 2, 4, 1, 3, 5)  # (B, s, s, H/s, W/s, C)
        x = x.reshape(batch * stride**2, height // stride, width // stride, channels)
        return x.permute(0, 3, 1, 2)  # (B·s², C, H/s, W/s)
    x = x.reshape(batch, channels, height // stride, stride, width // stride, stride)  # (B, C, H/s, s, W/s, s)
    x = x.permute(0, 3, 5, 1, 2, 4)  # (B, s, s, C, H/s, W/s)
    return x.reshape(batch * stride**2, channels, height // stride, width // stride)  # (B·s², C, H/s, W/s)


def merge_batch(parts: Tensor, stride: int, size: tuple[int, int] | None = None) -> Tensor:
    """Put (B·s², C, h, w) back to (B, C, s·h, s·w), cropped to `size` = (H, W) if given: the inverse of `split_batch`."""
    _check(parts, stride)
    total, channels, height, width = parts.shape
    if total % stride**2:
        raise ValueError(
            f"{total} images are no multiple of stride² = {stride**2}; give what split_batch made with the same stride."
        )
    if _has_channels_last(parts):
        x = parts.permute(0, 2, 3, 1).reshape(-1, stride, stride, height, width, channels)
        x = x.permute(0, 3, 1, 4, 2, 5)  # (B, H/s, s, W/s, s, C)
        x = x.reshape(-1, height * stride, width * stride, channels)
        return _crop(x.permute(0, 3, 1, 2), size)  # (B, C, H, W)
    x = parts.reshape(-1, stride, stride, channels, height, width)  # (B, s, s, C, H/s, W/s)
    x = x.permute(0, 3, 4, 1, 5, 2)  # (B, C, H/s, s, W/s, s)
    x = x.reshape(-1, channels, height * stride, width * stride)  # (B, C, H, W)
    return _crop(x, size)


def split_mosaic(x: Tensor, stride: int, border: int = 0) -> Tensor:
    """Split (B, C, H, W) into one image of s × s tiles, (B, C, s·(⌈H/s⌉ + 2·border), s·(⌈W/s⌉ + 2·border)).

    Each tile is one component with `border` zeros on all sides (`pd_pad` of the AP-BSN paper's code).
    """
    _check(x, stride)
    if stride == 1:
        return F.pad(x, (border,) * 4)
    x = pad_to_multiple(x, stride)
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // stride, stride, width // stride, stride)  # (B, C, H/s, s, W/s, s)
    x = x.permute(0, 1, 3, 2, 5, 4)  # (B, C, s, H/s, s, W/s)
    x = F.pad(x, (border, border, 0, 0, border, border))  # (B, C, s, H/s + 2·border, s, W/s + 2·border)
    return x.reshape(batch, channels, height + 2 * border * stride, width + 2 * border * stride)


def merge_mosaic(mosaic: Tensor, stride: int, border: int = 0, size: tuple[int, int] | None = None) -> Tensor:
    """Drop the borders of a mosaic and shuffle its tiles back, cropped to `size` = (H, W) if given: the inverse of `split_mosaic`."""
    _check(mosaic, stride)
    batch, channels, height, width = mosaic.shape
    if height % stride or width % stride or min(height, width) <= 2 * border * stride:
        raise ValueError(
            f"A mosaic of {height}×{width} does not hold {stride}×{stride} tiles with a border of {border}; give what split_mosaic made."
        )
    x = mosaic.reshape(
        batch, channels, stride, height // stride, stride, width // stride
    )  # (B, C, s, h, s, w), h and w with borders
    x = x[:, :, :, border : height // stride - border, :, border : width // stride - border]  # (B, C, s, H/s, s, W/s)
    x = x.permute(0, 1, 3, 2, 5, 4)  # (B, C, H/s, s, W/s, s)
    x = x.reshape(batch, channels, x.shape[2] * stride, x.shape[4] * stride)  # (B, C, H, W)
    return _crop(x, size)


def _has_channels_last(x: Tensor) -> bool:
    return x.shape[1] > 1 and x.stride(1) == 1


def _crop(x: Tensor, size: tuple[int, int] | None) -> Tensor:
    return x if size is None else x[..., : size[0], : size[1]]


def _check(x: Tensor, stride: int) -> None:
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        shape = tuple(x.shape) if hasattr(x, "shape") else type(x).__name__
        raise ValueError(f"Expected a tensor of shape (B, C, H, W), got {shape}; add the missing dimensions.")
    if stride < 1:
        raise ValueError(f"The stride must be at least 1, got {stride}.")
