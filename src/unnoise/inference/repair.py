"""Repair: a measurement without its missing values, hot pixels and constant regions, as the network should see it.

All later steps work on the repaired picture: photometry, network, bias correction, blending. So an outlier changes
neither the range nor the pixels around. At the end the pixels of `Repair.kept` get their old values back, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import device, to_device

from unnoise.array_api import array_namespace
from unnoise.inference import constant_regions, hot_pixels, inpainting
from unnoise.inference.background import Background
from unnoise.inference.constant_regions import ConstantValues, count_constant, decide_constant
from unnoise.inference.hot_pixels import find_hot_pixels, smallest_step
from unnoise.inference.inpainting import local_means, noise_at, push_pull
from unnoise.inference.row_blocks import RowBlocks, around, blocks_of
from unnoise.inference.sources import PixelSource
from unnoise.photometry.array_windows import convert_like, median_of_valid, planes_of_batch

HALO_PIXELS = inpainting.REACH_PIXELS + hot_pixels.REACH_PIXELS


@dataclass(frozen=True)
class Repair:
    """A picture or batch that was repaired.

    >>> import numpy as np
    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy, form = images.to_tensor(np.zeros((4, 4, 3), np.uint8))
    >>> repair(source_of_tensor(noisy, form), measured=False).keeps
    False
    """

    source: PixelSource
    """The repaired picture, with every value finite. Pixels that needed no repair are as they were."""
    background: Background | None
    """Of all planes (B·C, h, w); None for photographs."""
    hot_count: int
    """Number of hot pixels in all channels."""
    missing_count: int
    """Number of values that are missing, or in constant regions."""
    removes_hot: bool
    _masks: RowBlocks | None

    @property
    def keeps(self) -> bool:
        """Whether any pixel gets its old value back."""
        return self.missing_count > 0 or (self.hot_count > 0 and not self.removes_hot)

    def kept(self, rows: slice, columns: slice) -> Any:
        """Which pixels get their old values back, (B, C, rows, columns) of bool."""
        if self._masks is None:
            there = self.source.read(rows, columns)
            xp = array_namespace(there)
            return xp.zeros_like(there, dtype=xp.bool)
        planes = self._masks.read(rows, columns)[1]
        shape = self.source.read(slice(0, 1), slice(0, 1)).shape[:2]
        return array_namespace(planes).reshape(planes, (*shape, *planes.shape[-2:]))

    def sentence(self) -> str | None:
        """How many hot pixels were removed, as a sentence without its subject; None: none was."""
        if not self.hot_count or not self.removes_hot:
            return None
        return f"had {self.hot_count} hot or dead {'pixel' if self.hot_count == 1 else 'pixels'} replaced."


def repair(source: PixelSource, *, measured: bool, hot: str = "keep") -> Repair:
    """Repair a picture or batch.

    Args:
        source: the noisy pixels, (B, C, H, W).
        measured: whether it is a measurement. In photographs only missing values are filled, unless `hot` is *remove*.
        hot: what becomes of hot pixels; see `hot_pixels.HotPixels`.

    >>> import numpy as np
    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> import torch
    >>> noisy, form = images.to_tensor(0.01 * torch.rand(40, 40, generator=torch.Generator().manual_seed(0)))
    >>> noisy[..., 3, 4] = 1
    >>> repair(source_of_tensor(noisy, form), measured=True).hot_count
    1
    """
    seeks_hot = measured or hot == "remove"
    if not seeks_hot and not (source.missing and _any_missing(source)):
        return Repair(source, None, 0, 0, False, None)
    constants = _constants(source) if measured else None
    smooth = RowBlocks(
        source.size,
        partial(_smooth_block, source, constants, smallest_step(source) if seeks_hot else None),
        keep_all=source.strip_pixels is None,
    )
    height, width = source.size
    parts, hot_count, missing_count = [], 0, 0
    for rows in blocks_of(height):
        filled, kept, bad = smooth.read(rows, slice(0, width))
        parts.append(Background.measure(filled, ~(kept | bad)))
        hot_count += int(bad.sum())
        missing_count += int(kept.sum())
    background = Background.join(parts)
    removes = hot == "remove" or (hot == "auto" and measured)
    if not hot_count and not missing_count:
        return Repair(source, background, 0, 0, removes, None)
    final = RowBlocks(
        source.size, partial(_noisy_block, source, smooth, background, removes), keep_all=source.strip_pixels is None
    )
    shape = source.read(slice(0, 1), slice(0, 1)).shape[:2]

    def read(rows: slice, columns: slice) -> Any:
        planes = final.read(rows, columns)[0]
        return array_namespace(planes).reshape(planes, (*shape, *planes.shape[-2:]))

    return Repair(replace(source, read=read, missing=None), background, hot_count, missing_count, removes, final)


def planes_of(source: PixelSource, rows: slice) -> tuple[Any, Any]:
    """All channels of rows of a picture or batch as planes, (B·C, rows, W), and which values are there, of bool.

    >>> import numpy as np
    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy, form = images.to_tensor(np.zeros((4, 6, 3), np.uint8))
    >>> [tuple(x.shape) for x in planes_of(source_of_tensor(noisy, form), slice(0, 2))]
    [(3, 2, 6), (3, 2, 6)]
    """
    everywhere = slice(0, source.size[1])
    x = source.read(rows, everywhere)
    missing = source.missing(rows, everywhere) if source.missing else None
    xp = array_namespace(x)
    valid = xp.ones_like(x, dtype=xp.bool) if missing is None else ~to_device(missing, device(x))
    return planes_of_batch(x), planes_of_batch(valid)


def all_missing(source: PixelSource) -> bool:
    """Whether no value of a picture or batch is there, as where all are NaN. It is read as far as the first value.

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> all_missing(source_of_tensor(*images.to_tensor(np.zeros((4, 6), np.uint8))))
    False
    """
    return source.missing is not None and not any(bool(planes_of(source, rows)[1].any()) for rows in blocks_of(source.size[0]))


def _any_missing(source: PixelSource) -> bool:
    return not all(bool(planes_of(source, rows)[1].all()) for rows in blocks_of(source.size[0]))


def _constants(source: PixelSource) -> ConstantValues:
    """The values of constant regions."""
    height = source.size[0]
    ends, counts, valid_counts = [], [], []
    for rows in blocks_of(height):
        x, valid = planes_of(source, rows)
        xp = array_namespace(x)
        low, high = (xp.where(valid, x, far) for far in (math.inf, -math.inf))
        ends.append(xp.stack([xp.min(low, axis=(1, 2)), -xp.max(high, axis=(1, 2))], axis=1))
        valid_counts.append(valid.sum((1, 2)))
    both = xp.min(xp.stack(ends), axis=0) * convert_like(np.array([1, -1]), ends[0])  # (P, 2)
    valid_count = xp.stack(valid_counts).sum(0)
    for rows in blocks_of(height):
        whole, inner = around(rows, constant_regions.REACH_PIXELS, height)
        counts.append(count_constant(*planes_of(source, whole), both, inner))
    return decide_constant(both, xp.stack(counts).sum(0), valid_count)


def _smooth_block(
    source: PixelSource, constants: ConstantValues | None, step: float | None, rows: slice
) -> tuple[Any, Any, Any]:
    """Rows with smooth values in place of missing ones, which pixels are missing, and which are hot."""
    whole, inner = around(rows, HALO_PIXELS, source.size[0])
    x, valid = planes_of(source, whole)
    kept = ~valid if constants is None or constants.is_none else ~valid | constants.find(x, valid)
    usual = _medians(x, ~kept)
    filled = push_pull(x, ~kept, usual)
    hot = array_namespace(kept).zeros_like(kept)
    if step is not None:
        hot = find_hot_pixels(filled, ~kept, step)
        filled = push_pull(filled, ~(kept | hot), usual)
    return filled[:, inner], kept[:, inner], hot[:, inner]


def _noisy_block(source: PixelSource, smooth: RowBlocks, background: Background, removes: bool, rows: slice) -> tuple[Any, Any]:
    """Rows with noisy values in place of missing ones, and which pixels get their old values back."""
    whole, inner = around(rows, HALO_PIXELS, source.size[0])
    x, _ = planes_of(source, whole)
    _, kept, hot = smooth.read(whole, slice(0, source.size[1]))
    bad = kept | hot
    kept = kept if removes else bad
    xp = array_namespace(x)
    if not bool(xp.any(bad[:, inner])):
        return x[:, inner], kept[:, inner]
    _, _, noise = background.at(whole, source.size[1])
    filled = push_pull(*local_means(x, ~bad), background.cells(whole))
    noisy = filled + noise_at(whole, filled.shape, noise)
    least = xp.min(xp.where(bad, math.inf, x), axis=(1, 2), keepdims=True)
    return xp.where(bad, xp.maximum(noisy, least), x)[:, inner], kept[:, inner]


def _medians(x: Any, valid: Any) -> Any:
    """The median of the valid values of each plane, (P, 1, 1); 0 where there is none."""
    xp = array_namespace(x)
    return median_of_valid(xp.reshape(x, (len(x), -1)), xp.reshape(valid, (len(x), -1)))[:, None, None]
