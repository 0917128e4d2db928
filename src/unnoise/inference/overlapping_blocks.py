"""Overlapping blocks of 8×8 samples: cut out of a picture, transformed by a cosine transform, and joined again.

Blocks lie 4 samples apart, so each consists of 2×2 cells of 4×4 samples. A sample is a pixel or a mean of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import device, is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.noise.noise_model import BLOCK_SAMPLES
from unnoise.photometry.array_ops import T, upsample_bilinear
from unnoise.photometry.array_windows import extend_edges, places_of, repeat_each, runs

STRIDE_SAMPLES = 4
"""Distance between blocks in samples, and the side of the cells for which brightness is computed."""


@lru_cache
def cosine_basis() -> NDArray[np.float32]:
    """The orthonormal cosine transform (DCT-II) of 8×8 values, (64, 64).

    Each row is a coefficient; the mean is first. The values are in the order of `overlapping_blocks`.

    >>> bool(np.allclose(cosine_basis() @ cosine_basis().T, np.eye(64), atol=1e-6))
    True
    """
    k = np.arange(BLOCK_SAMPLES, dtype=np.float64)
    rows = np.cos(math.pi * (k + 0.5) * k[:, None] / BLOCK_SAMPLES) * math.sqrt(2 / BLOCK_SAMPLES)
    rows[0] /= math.sqrt(2)
    basis = np.kron(rows, rows).reshape(BLOCK_SAMPLES**2, 2, STRIDE_SAMPLES, 2, STRIDE_SAMPLES)
    return np.ascontiguousarray(basis.swapaxes(2, 3).reshape(BLOCK_SAMPLES**2, BLOCK_SAMPLES**2), dtype=np.float32)


def values_by_cell(x: T) -> T:
    """Group the values by cell: (h, w) → (h / 4, w / 4, 16).

    >>> values_by_cell(np.zeros((8, 12))).shape
    (2, 3, 16)
    """
    xp: Any = array_namespace(x)
    rows, columns = (length // STRIDE_SAMPLES for length in x.shape)
    cells = xp.permute_dims(xp.reshape(x, (rows, STRIDE_SAMPLES, columns, STRIDE_SAMPLES)), (0, 2, 1, 3))
    return xp.reshape(cells, (rows, columns, STRIDE_SAMPLES**2))


def overlapping_blocks(x: T) -> T:
    """Overlapping blocks of 2×2 cells, ordered by cell: (h, w) → ((h / 4 − 1)·(w / 4 − 1), 64).

    >>> overlapping_blocks(np.zeros((8, 12))).shape
    (2, 64)
    """
    xp: Any = array_namespace(x)
    cells = values_by_cell(x)
    rows, columns = cells.shape[0] - 1, cells.shape[1] - 1
    corners = [cells[down : rows + down, right : columns + right] for down in range(2) for right in range(2)]
    return xp.reshape(xp.concat(corners, axis=-1), (rows * columns, -1))


def overlap_add(cells: T, places: T, coefficients: T, backward: T) -> None:
    """Transform the blocks at some places back, and add them to the cells (C, rows + 1, columns + 1, 16) that they cover.

    >>> cells, place = np.zeros((1, 2, 2, 16)), np.array([[0, 0, 0]])
    >>> overlap_add(cells, place, np.ones((1, 64)), cosine_basis()[None])
    >>> round(float((cells**2).sum()), 3)
    64.0
    """
    counts = [int((places[:, 0] == channel).sum()) for channel in range(len(cells))]
    for own, part, transform in zip(cells, runs(counts), backward, strict=True):
        at: Any = places[part]
        values = coefficients[part] @ transform  # (n, 64)
        first = at[:, 1] * own.shape[1] + at[:, 2]
        lines = own.reshape(-1, STRIDE_SAMPLES**2)  # shares the memory of `cells`
        for corner in range(4):
            down, right = divmod(corner, 2)
            piece = values[:, corner * STRIDE_SAMPLES**2 : (corner + 1) * STRIDE_SAMPLES**2]
            where = first + (down * own.shape[1] + right)
            if is_torch_array(lines):
                lines.index_add_(0, where, piece)
            else:
                lines[where] += piece  # no place occurs twice


def values_by_row(cells: T) -> T:
    """The inverse of `values_by_cell`: (C, h, w, 16) → (C, 4·h, 4·w).

    >>> values_by_row(values_by_cell(np.arange(64.0).reshape(8, 8))[None])[0, 0, :5].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    xp: Any = array_namespace(cells)
    channels, rows, columns = cells.shape[:3]
    values = xp.reshape(cells, (channels, rows, columns, STRIDE_SAMPLES, STRIDE_SAMPLES))
    return xp.reshape(xp.permute_dims(values, (0, 1, 3, 2, 4)), (channels, rows * STRIDE_SAMPLES, -1))


def overlap_mean(total: T, first: bool = True, last: bool = True) -> T:
    """Turn sums of blocks into means. Four blocks cover a pixel, two at an edge, one in a corner.

    Args:
        total: (C, rows, columns) of a strip.
        first, last: whether the strip is the first or the last one.

    >>> overlap_mean(np.ones((1, 12, 12)))[0, 0, ::5].tolist()
    [1.0, 0.5, 1.0]
    """
    total = total / 4
    total[..., :STRIDE_SAMPLES] *= 2
    total[..., -STRIDE_SAMPLES:] *= 2
    if first:
        total[:, :STRIDE_SAMPLES] *= 2
    if last:
        total[:, -STRIDE_SAMPLES:] *= 2
    return total


def extend_to_blocks(x: T) -> T:
    """Extend to a multiple of the stride, and to at least one block, by repeating the edge.

    >>> extend_to_blocks(np.zeros((1, 3, 13))).shape
    (1, 8, 16)
    """
    rows, columns = (max(-(-length // STRIDE_SAMPLES) * STRIDE_SAMPLES, BLOCK_SAMPLES) for length in x.shape[-2:])
    return extend(x, rows, columns)


def extend(x: T, rows: int, columns: int) -> T:
    """Extend by repeating the edge, (C, h, w) → (C, rows, columns).

    >>> extend(np.arange(3.0).reshape(1, 1, 3), 1, 5).tolist()
    [[[0.0, 1.0, 2.0, 2.0, 2.0]]]
    """
    if tuple(x.shape[-2:]) == (rows, columns):
        return x
    extended: T = extend_edges(x, (0, rows - x.shape[-2]), (0, columns - x.shape[-1]))
    return extended


def cell_means(x: T, side: int) -> T:
    """Means of square cells, (C, h, w) → (C, ⌈h / side⌉, ⌈w / side⌉). Incomplete cells are extended first.

    >>> cell_means(np.arange(8.0).reshape(1, 1, 8), 4).tolist()
    [[[1.5, 5.5]]]
    """
    if side == 1:
        return x
    xp: Any = array_namespace(x)
    height, width = (-(-length // side) for length in x.shape[-2:])
    sums = xp.sum(xp.reshape(extend(x, height * side, width * side), (-1, height, side, width * side)), axis=2)
    # A product of matrices is faster than a pooling layer
    weights = xp.full((side, 1), 1 / side**2, dtype=x.dtype, device=device(x))
    return xp.reshape(xp.reshape(sums, (-1, side)) @ weights, (-1, height, width))


def repeat_cells(x: T, side: int, shape: Sequence[int]) -> T:
    """Repeat each value `side` times along both axes, and crop to `shape`.

    >>> repeat_cells(np.ones((1, 1, 2)), 2, (1, 2, 3)).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    repeated: T = repeat_each(repeat_each(x, side, -2), side, -1)[..., : shape[-2], : shape[-1]]
    return repeated


def enlarge(x: T, shape: Sequence[int]) -> T:
    """Bilinear interpolation to four times the size, cropped to `shape`, (C, h, w) → (C, H, W).

    >>> enlarge(np.array([[[0.0, 4.0]]]), (1, 8)).tolist()
    [[[0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]]]
    """
    whole: Any = x[None]
    large: T = upsample_bilinear(whole.contiguous() if is_torch_array(whole) else whole, STRIDE_SAMPLES)[0]
    return large[:, : shape[-2], : shape[-1]]


def add_enlarged(result: T, x: T, rows: slice) -> None:
    """Add the enlarged `x` to some rows of a picture. Most of it is 0.

    >>> picture = np.zeros((1, 8, 8))
    >>> add_enlarged(picture, np.ones((1, 2, 2)), slice(0, 4))
    >>> picture[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    top = max(rows.start // STRIDE_SAMPLES - 1, 0)
    part = x[:, top : -(-rows.stop // STRIDE_SAMPLES) + 1]
    filled = places_of((part != 0).any(0).any(0))[:, 0]
    if not len(filled):
        return
    first, last = max(int(filled[0]) - 2, 0), int(filled[-1]) + 3  # interpolation reaches one further, and clamps at ends
    large = enlarge(part[..., first:last], (4 * part.shape[1], 4 * (last - first)))
    columns = slice(first * STRIDE_SAMPLES, min(last * STRIDE_SAMPLES, result.shape[-1]))
    own = rows.start - top * STRIDE_SAMPLES
    result[:, rows, columns] += large[:, own : own + rows.stop - rows.start, : columns.stop - columns.start]
