"""A part of what a network makes of a picture's PD mosaic, from windows of the mosaic, which itself is never made.

In a mosaic the components lie side by side, and near the seams a convolution sees the neighbouring component, that is, the
opposite edge of the picture. So a tile cannot make a mosaic of its own and get what the whole picture gets: its components have
other neighbours. A window of the whole picture's mosaic shows the network exactly what it would see there, edges included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import Region, RegionSource, dilate_interval, downsample_region

GAP = 64
"""Rows or columns that are not needed are read all the same where they are so few; larger gaps are left out."""


@dataclass(frozen=True)
class Window:
    """Along one axis, the stretch of a mosaic that one component's share of a part depends on."""

    places: Tensor
    """For each place of the window the row (or column) of the picture that lies there; −1: the mosaic has a zero there."""
    core: slice
    """The component's share, counted from the window's first place."""


def restore_window(
    network: Callable[[Tensor, Region], Tensor],
    view: RegionSource,
    part: Region,
    stride: int,
    border: int,
    reach: int,
    multiple: int,
) -> Tensor:
    """`merge_mosaic(network(split_mosaic(picture, stride, border)))[part]`, for a network that sees no farther than `restore_radius`.

    Args:
        network: gives its result for (B, C, h, w) at a place of it, (B, C, rows, columns).
        view: of the picture, (B, C, H, W).
        part: begins at multiples of `stride`, and ends there or at the picture's edge.
        multiple: the windows begin and end at multiples of it, or at the mosaic's edge, because the network pools.

    Returns:
        (B, C, rows, columns) of the part.
    """
    height, width = ((stretch.stop - stretch.start) for stretch in part)
    rows, columns = (
        _windows(length, share, stride, border, reach, multiple)
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


def _windows(length: int, share: slice, stride: int, border: int, reach: int, multiple: int) -> list[Window]:
    """One window for each component, holding its rows `share`, along an axis of `length` pixels."""
    inner = -(-length // stride)
    outer = inner + 2 * border
    windows = []
    for place in shares(length, share, stride, border):
        seen = dilate_interval(place, reach, stride * outer, multiple)
        places = torch.arange(seen.start, seen.stop)
        neighbour, offset = places // outer, places % outer - border
        pixels = offset * stride + neighbour
        pixels[(offset < 0) | (offset >= inner) | (pixels >= length)] = -1
        windows.append(Window(pixels, slice(place.start - seen.start, place.stop - seen.start)))
    return windows


def shares(length: int, share: slice, stride: int, border: int) -> list[slice]:
    """Where in a mosaic the rows `share` of each component lie, along an axis of `length` pixels."""
    outer = -(-length // stride) + 2 * border
    starts = [component * outer + border for component in range(stride)]
    return [slice(start + share.start, start + share.stop) for start in starts]


def _read(view: RegionSource, rows: list[Window], columns: list[Window]) -> tuple[Tensor, list[Window], list[Window]]:
    """All that the windows show, with a last row and column of zeros, (B, C, h + 1, w + 1), and the windows counted in it."""
    row_runs, column_runs = _runs(rows), _runs(columns)
    block = torch.cat([torch.cat([view.read(r, c) for c in column_runs], -1) for r in row_runs], -2)
    return (
        F.pad(block, (0, 1, 0, 1)),
        [_counted(window, row_runs, block.device) for window in rows],
        [_counted(window, column_runs, block.device) for window in columns],
    )


def _runs(windows: list[Window]) -> list[slice]:
    """The stretches of the picture that the windows show, in order."""
    shown: Tensor = torch.unique(torch.cat([window.places for window in windows]))
    shown = shown[shown >= 0]
    breaks = (shown.diff() > GAP).nonzero()[:, 0] + 1
    return [slice(int(run[0]), int(run[-1]) + 1) for run in shown.tensor_split(breaks)]


def _counted(window: Window, runs: list[slice], device: torch.device) -> Window:
    read = torch.cat([torch.arange(run.start, run.stop) for run in runs])
    places = torch.where(window.places < 0, len(read), torch.searchsorted(read, window.places))
    return Window(places.to(device), window.core)
