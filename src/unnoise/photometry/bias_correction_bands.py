"""Keeping the light of restored bands as they come, from top to bottom; see `unnoise.photometry.bias_correction`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unnoise.photometry.bias_correction import CELL, RADIUS, Light, smoothed, spread
from unnoise.photometry.clipping import Cut
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource

Band = tuple[slice, Tensor]

PORTION = {"cpu": 2**16, "cuda": 2**23}
"""Pixels whose light is kept at a time, about: on a CPU what is worked out for them then lies in its caches, twice as fast as beyond; a
GPU wants many at a time."""


def correct_bands(photometry: Sequence[Photometry], views: Sequence[RegionSource], bands: Iterable[Band]) -> Iterator[Band]:
    """Restored bands with the brightness of the noisy pictures, the same as `Light` makes of whole ones.

    Args:
        photometry: of each of the N pictures; where it has no bias correction, the bands stay as they are.
        views: of the noisy pictures, (1, C, H, W) each.
        bands: rows and their values (N, C, rows, W), each row once and in order.

    Yields:
        The same in other portions: some rows of cells wait for those below.
    """
    keepers = [Keeper(each.bias_correction, each.clipping) for each in photometry if each.bias_correction]
    return _corrected(keepers, views, bands) if keepers else iter(bands)


@torch.inference_mode()
def _corrected(keepers: list[Keeper], views: Sequence[RegionSource], bands: Iterable[Band]) -> Iterator[Band]:
    height, width = views[0].size
    if len(set(keepers)) == 1:
        keepers = keepers[:1]  # all at once
    cells = -(-height // CELL)
    waiting: Tensor | None = None  # restored rows, from the first that was not yielded yet
    first = 0  # row of cells that `waiting` begins with
    known: Tensor | None = None  # what all rows of cells so far have told
    solved = 0  # of these rows
    for rows, band in _cut(bands, width):
        waiting = band if waiting is None else torch.cat([waiting, band], dim=-2)
        whole = cells if rows.stop == height else rows.stop // CELL
        if whole > solved:
            part = slice(solved * CELL, min(whole * CELL, height))
            noisy = torch.cat([view.read(part, slice(0, width)).to(band.device) for view in views])  # (N, C, rows, W)
            restored = waiting[..., part.start - first * CELL : part.stop - first * CELL, :]
            told = torch.cat([k.light.told(x, y, k.cut) for k, x, y in _each(keepers, noisy, restored)], dim=1)
            known = told if known is None else torch.cat([known, told], dim=-2)
            solved = whole
        last = cells if solved == cells else solved - RADIUS - 1
        if known is not None and last > first:
            count = min(last * CELL, height) - first * CELL
            top = max(first - 1 - RADIUS, 0)  # what is further up or down does not reach these rows
            offsets = smoothed(known[..., top : last + 1 + RADIUS, :])
            offset = spread(offsets, first - top, last - top, (height - top * CELL, width))
            kept = [k.light.added(x, y) for k, x, y in _each(keepers, waiting[..., :count, :], offset)]
            yield slice(first * CELL, first * CELL + count), torch.cat(kept)
            waiting = waiting[..., count:, :].clone()
            first = last


class Keeper(NamedTuple):
    """What one picture's light is kept by."""

    light: Light
    cut: Cut


def _each(keepers: Sequence[Keeper], one: Tensor, other: Tensor) -> Iterator[tuple[Keeper, Tensor, Tensor]]:
    """Each keeper and its pictures of (N, C, H, W): one picture each, or all if there is but one keeper."""
    share = len(one) // len(keepers)
    return zip(keepers, torch.split(one, share), torch.split(other, share), strict=True)


def _cut(bands: Iterable[Band], width: int) -> Iterator[Band]:
    """The same rows in bands of about `PORTION` pixels, in whole cells."""
    for rows, band in bands:
        step = max(1, PORTION.get(band.device.type, PORTION["cpu"]) // (width * CELL)) * CELL
        for first in range(rows.start, rows.stop, step):
            part = slice(first, min(first + step, rows.stop))
            yield part, band[..., part.start - rows.start : part.stop - rows.start, :].clone()
        del band  # before the next one is made
