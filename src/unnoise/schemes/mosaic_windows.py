"""A region of what a network makes of a picture's PD mosaic, from windows of the mosaic, which is never made as a
whole.

In a mosaic the components lie side by side. Near a seam a convolution sees the neighbouring component, which is the
opposite edge of the picture. A mosaic of a tile would have other neighbours there than the mosaic of the whole picture.
A window of the whole picture's mosaic shows the network exactly what it would see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import Region, RegionSource, dilate_interval, downsample_region

MAX_GAP_PIXELS = 64
"""Rows or columns between two intervals are read as well if they are at most this many; larger gaps are skipped."""


@dataclass(frozen=True)
class MosaicWindow:
    """Along one axis, the interval of a mosaic that one component's share of a region depends on.

    >>> import torch
    >>> MosaicWindow(places=torch.arange(3, 9), core=slice(2, 4)).core
    slice(2, 4, None)
    """

    places: Tensor
    """For each index of the window the picture's row (or column) there; −1: the mosaic has a zero there."""
    core: slice
    """The component's share, in indices of the window."""


def restore_mosaic_region(
    network: Callable[[Tensor, Region], Tensor],
    view: RegionSource,
    part: Region,
    stride: int,
    border: int,
    radius: int,
    multiple: int,
) -> Tensor:
    """`merge_mosaic(network(split_mosaic(picture, stride, border)))[part]`, for a network with this receptive field
    radius.

    Args:
        network: gives one region of its result, (B, C, h, w) → (B, C, rows, columns).
        view: of the picture, (B, C, H, W).
        part: the region. It begins at multiples of `stride`, and ends there or at the picture's edge.
        stride: of PD.
        border: zeros around each component, in pixels.
        radius: the network's receptive field radius.
        multiple: windows begin and end at its multiples, or at the mosaic's edge, because the network pools.

    Returns:
        (B, C, rows, columns).

    >>> import torch
    >>> picture = torch.rand(1, 1, 12, 12)
    >>> same = lambda mosaic, region: mosaic[..., region[0], region[1]]
    >>> part = slice(2, 6), slice(0, 12)
    >>> restored = restore_mosaic_region(same, RegionSource.of(picture), part, stride=2, border=0, radius=0, multiple=1)
    >>> torch.equal(restored, picture[..., 2:6, :])
    True
    """
    height, width = ((stretch.stop - stretch.start) for stretch in part)
    rows, columns = (
        _windows(length, share, stride, border, radius, multiple)
        for length, share in zip(view.size, downsample_region(part, stride), strict=True)
    )
    block, rows, columns = _read(view, rows, columns)
    merged = block.new_empty(*block.shape[:2], -(-height // stride) * stride, -(-width // stride) * stride)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            window = block.index_select(-2, row.places).index_select(-1, column.places)
            shown = window.contiguous(memory_format=torch.channels_last)
            merged[..., i::stride, j::stride] = network(shown, (row.core, column.core))
    return merged[..., :height, :width]


def _windows(length: int, share: slice, stride: int, border: int, radius: int, multiple: int) -> list[MosaicWindow]:
    """One window for each component, holding its rows `share`, along an axis of `length` pixels."""
    inner = -(-length // stride)
    outer = inner + 2 * border
    windows = []
    for place in component_intervals(length, share, stride, border):
        seen = dilate_interval(place, radius, stride * outer, multiple)
        places = torch.arange(seen.start, seen.stop)
        neighbour, offset = places // outer, places % outer - border
        pixels = offset * stride + neighbour
        pixels[(offset < 0) | (offset >= inner) | (pixels >= length)] = -1
        windows.append(MosaicWindow(pixels, slice(place.start - seen.start, place.stop - seen.start)))
    return windows


def component_intervals(length: int, share: slice, stride: int, border: int) -> list[slice]:
    """Where the rows `share` of each component lie in a mosaic, along an axis of `length` pixels.

    Example:
        >>> component_intervals(6, slice(0, 2), stride=2, border=1)
        [slice(1, 3, None), slice(6, 8, None)]
    """
    outer = -(-length // stride) + 2 * border
    starts = [component * outer + border for component in range(stride)]
    return [slice(start + share.start, start + share.stop) for start in starts]


def _read(
    view: RegionSource, rows: list[MosaicWindow], columns: list[MosaicWindow]
) -> tuple[Tensor, list[MosaicWindow], list[MosaicWindow]]:
    """All pixels of the windows, and a last row and column of zeros, (B, C, h + 1, w + 1); and the windows in its
    indices."""
    row_runs, column_runs = _runs(rows), _runs(columns)
    block = torch.cat([torch.cat([view.read(r, c) for c in column_runs], -1) for r in row_runs], -2)
    return (
        F.pad(block, (0, 1, 0, 1)),
        [_renumber(window, row_runs, block.device) for window in rows],
        [_renumber(window, column_runs, block.device) for window in columns],
    )


def _runs(windows: list[MosaicWindow]) -> list[slice]:
    """The intervals of the picture's rows (or columns) that the windows contain, in order."""
    shown: Tensor = torch.unique(torch.cat([window.places for window in windows]))
    shown = shown[shown >= 0]
    breaks = (shown.diff() > MAX_GAP_PIXELS).nonzero()[:, 0] + 1
    return [slice(int(run[0]), int(run[-1]) + 1) for run in shown.tensor_split(breaks)]


def _renumber(window: MosaicWindow, runs: list[slice], device: torch.device) -> MosaicWindow:
    """The window, in indices of what the runs read."""
    read = torch.cat([torch.arange(run.start, run.stop) for run in runs])
    places = torch.where(window.places < 0, len(read), torch.searchsorted(read, window.places))
    return MosaicWindow(places.to(device), window.core)
