"""Bias correction of restored bands as they come, from top to bottom; see `unnoise.photometry.bias_correction`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from array_api_compat import device, to_device

from unnoise.array_api import array_namespace
from unnoise.photometry import array_ops
from unnoise.photometry.array_threads import in_order
from unnoise.photometry.bias_correction import CELL_PIXELS, RADIUS_CELLS, BiasCorrection, smooth_offsets, upsample_offsets
from unnoise.photometry.clipping import NO_CLIPPING, Clipping
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource

if TYPE_CHECKING:
    from torch import Tensor

Band: TypeAlias = "tuple[slice, Tensor]"
"""Rows and their values (N, C, rows, W): a tensor, or another array of the kind that the pictures are."""

PORTION = {"cpu": 2**16, "cuda": 2**23}
"""About how many pixels are corrected at a time. On a CPU they then fit into its caches, which is twice as fast; a GPU needs many."""


def correct_bands(photometry: Sequence[Photometry], views: Sequence[RegionSource], bands: Iterable[Band]) -> Iterator[Band]:
    """Restored bands with the brightness of the noisy pictures, the same as `BiasCorrection` makes of whole ones.

    Args:
        photometry: of each of the N pictures; where it has no bias correction, the bands stay as they are.
        views: of the noisy pictures, (1, C, H, W) each.
        bands: rows and their values (N, C, rows, W), each row once and in order.

    Yields:
        The same in other portions: some rows of cells wait for those below.

    >>> import numpy as np
    >>> noisy = np.full((1, 1, 40, 40), 0.5, np.float32)
    >>> rule = Photometry(bias_correction=BiasCorrection(curve="linear"))
    >>> made = correct_bands([rule], [RegionSource.of(noisy)], [(slice(0, 40), noisy - 0.1)])
    >>> sum(band.shape[-2] for rows, band in made)
    40
    """
    corrections = [
        Correction(each.bias_correction, NO_CLIPPING if each.has_added_noise else each.clipping)
        for each in photometry
        if each.bias_correction
    ]
    return array_ops.without_gradients(_corrected)(corrections, views, bands) if corrections else iter(bands)


def _corrected(corrections: list[Correction], views: Sequence[RegionSource], bands: Iterable[Band]) -> Iterator[Band]:
    height, width = views[0].size
    if len(set(corrections)) == 1:
        corrections = corrections[:1]  # all at once
    like = views[0].read(slice(0, 1), slice(0, 1))
    with_offsets = _with_offsets(in_order(partial(_measured, corrections), _to_measure(views, bands), like), height, width)
    yield from in_order(partial(_added, corrections), with_offsets, like)


def _to_measure(views: Sequence[RegionSource], bands: Iterable[Band]) -> Iterator[tuple[Any, tuple[Any, Any] | None]]:
    """Each portion of restored rows, with the noisy and restored rows of the cells that are whole with it; None: no cell is."""
    height, width = views[0].size
    cells, solved = -(-height // CELL_PIXELS), 0
    left: Any = None  # restored rows of a cell that is not whole yet
    for rows, band in _cut(bands, width):
        xp = array_namespace(band)
        left = band if left is None else xp.concat([left, band], axis=-2)
        whole = cells if rows.stop == height else rows.stop // CELL_PIXELS
        if whole == solved:
            yield band, None
            continue
        part = slice(solved * CELL_PIXELS, min(whole * CELL_PIXELS, height))
        noisy = xp.concat([to_device(view.read(part, slice(0, width)), device(band)) for view in views])  # (N, C, rows, W)
        count = part.stop - part.start
        yield band, (noisy, left[..., :count, :])
        left = array_ops.copy(left[..., count:, :]) if count < left.shape[-2] else None
        solved = whole


def _measured(corrections: Sequence[Correction], portion: tuple[Any, tuple[Any, Any] | None]) -> tuple[Any, Any]:
    """Restored rows, and what their cells tell."""
    band, pair = portion
    if pair is None:
        return band, None
    told = [k.rule.measure_cells(x, y, k.cut) for k, x, y in _each(corrections, *pair)]
    return band, array_namespace(band).concat(told, axis=1)


def _with_offsets(portions: Iterable[tuple[Any, Any]], height: int, width: int) -> Iterator[tuple[slice, Any, Any]]:
    """Rows, their restored values, and the offset of each pixel: some rows of cells wait for those below."""
    cells = -(-height // CELL_PIXELS)
    waiting: Any = None  # restored rows, from the first that was not yielded yet
    first = 0  # row of cells that `waiting` begins with
    known: Any = None  # what all rows of cells so far have told
    for band, told in portions:
        xp = array_namespace(band)
        waiting = band if waiting is None else xp.concat([waiting, band], axis=-2)
        if told is not None:
            known = told if known is None else xp.concat([known, told], axis=-2)
        if known is None:
            continue
        solved = known.shape[-2]
        last = cells if solved == cells else solved - RADIUS_CELLS - 1
        if last > first:
            count = min(last * CELL_PIXELS, height) - first * CELL_PIXELS
            top = max(first - 1 - RADIUS_CELLS, 0)  # what is further up or down does not reach these rows
            bottom = min(last + 1 + RADIUS_CELLS, solved)
            offsets = smooth_offsets(known[..., top:bottom, :])
            offset = upsample_offsets(offsets, first - top, last - top, (height - top * CELL_PIXELS, width))
            yield slice(first * CELL_PIXELS, first * CELL_PIXELS + count), waiting[..., :count, :], offset
            waiting = array_ops.copy(waiting[..., count:, :])
            first = last


def _added(corrections: Sequence[Correction], portion: tuple[slice, Any, Any]) -> Band:
    rows, restored, offset = portion
    kept = [k.rule.add_offsets(x, y) for k, x, y in _each(corrections, restored, offset)]
    return rows, array_namespace(restored).concat(kept)


class Correction(NamedTuple):
    """How one picture is corrected.

    >>> Correction(BiasCorrection(), Clipping()).rule.curve
    'auto'
    """

    rule: BiasCorrection
    cut: Clipping


def _each(corrections: Sequence[Correction], one: Any, other: Any) -> Iterator[tuple[Correction, Any, Any]]:
    """Each correction with its pictures of (N, C, H, W): one picture each, or all if there is only one correction."""
    share = one.shape[0] // len(corrections)
    for number, correction in enumerate(corrections):
        pictures = slice(number * share, (number + 1) * share)
        yield correction, one[pictures, ...], other[pictures, ...]


def _cut(bands: Iterable[Band], width: int) -> Iterator[Band]:
    """The same rows in bands of about `PORTION` pixels, in whole cells."""
    for rows, band in bands:
        step = max(1, PORTION.get(array_ops.device_kind(band), PORTION["cpu"]) // (width * CELL_PIXELS)) * CELL_PIXELS
        for first in range(rows.start, rows.stop, step):
            part = slice(first, min(first + step, rows.stop))
            yield part, array_ops.copy(band[..., part.start - rows.start : part.stop - rows.start, :])
        del band  # before the next one is made
