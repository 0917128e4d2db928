"""Pixel-shuffle down-sampling (PD): splitting an image into its s² polyphase components, and merging them.

Component (i, j) of stride s is ``x[..., i::s, j::s]``: every s-th pixel from row i and column j. PD, dilated
convolution and grid attention all work on these components, so the operation is written once. Two layouts exist, and a
convolution sees different neighbours in each:

- *batch* (AMSNet): the components become s² times as many images.
- *mosaic* (AP-BSN, SS-BSN): they lie side by side in one image, each with a border of zeros. Convolutions see across
  the seams.

Sides that do not divide by s are padded with zeros at the bottom and right. `merge_*` crops them when given the size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) with zeros at the bottom and right until both sides divide by `multiple`.

    Example:
        >>> pad_to_multiple(torch.ones(1, 3, 5, 8), 4).shape
        torch.Size([1, 3, 8, 8])
    """
    rows, columns = missing(x.shape[-2], multiple), missing(x.shape[-1], multiple)
    return F.pad(x, (0, columns, 0, rows)) if torch.compiler.is_compiling() or rows or columns else x


def missing(length: int, multiple: int) -> int:
    """How many pixels a side lacks to the next multiple.

    It does without negative numbers, whose remainders torch's ONNX exporter gets wrong (torch 2.13).

    Example:
        >>> missing(5, 4), missing(8, 4)
        (3, 0)
    """
    return (length + multiple - 1) // multiple * multiple - length


def split_batch(x: Tensor, stride: int) -> Tensor:
    """Split (B, C, H, W) into (B·s², C, ⌈H/s⌉, ⌈W/s⌉). The components of an image are neighbours in the batch, in
    row-major order.

    Example:
        >>> split_batch(torch.arange(4.0).reshape(1, 1, 2, 2), 2).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
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
    """The inverse of `split_batch`: (B·s², C, h, w) → (B, C, s·h, s·w), cropped to `size` = (H, W) if given.

    Raises:
        ValueError: if the number of images does not divide by s².

    Example:
        >>> x = torch.rand(2, 3, 5, 7)
        >>> torch.equal(merge_batch(split_batch(x, 2), 2, size=(5, 7)), x)
        True
    """
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

    Each tile is one component with `border` zeros on all sides. The AP-BSN paper's code calls the border `pd_pad`.

    Example:
        >>> split_mosaic(torch.rand(1, 3, 6, 6), 2, border=1).shape
        torch.Size([1, 3, 10, 10])
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
    """The inverse of `split_mosaic`: drop the borders and interleave the tiles, cropped to `size` = (H, W) if given.

    Raises:
        ValueError: if the image does not hold s × s tiles with such a border.

    Example:
        >>> x = torch.rand(1, 3, 5, 7)
        >>> torch.equal(merge_mosaic(split_mosaic(x, 2, 1), 2, 1, size=(5, 7)), x)
        True
    """
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
