"""Overlapping blocks of 8×8 samples: cut out of a picture, transformed by a cosine transform, and joined again.

Blocks lie 4 samples apart, so each consists of 2×2 cells of 4×4 samples. A sample is a pixel or a mean of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.noise.noise_model import BLOCK_SAMPLES

STRIDE_SAMPLES = 4
"""Distance between blocks in samples, and the side of the cells for which brightness is computed."""


@lru_cache
def cosine_basis() -> Tensor:
    """The orthonormal cosine transform (DCT-II) of 8×8 values, (64, 64).

    Each row is a coefficient; the mean is first. The values are in the order of `overlapping_blocks`.

    >>> bool(torch.allclose(cosine_basis() @ cosine_basis().T, torch.eye(64), atol=1e-6))
    True
    """
    k = torch.arange(BLOCK_SAMPLES, dtype=torch.float64)
    rows = torch.cos(math.pi * (k + 0.5) * k[:, None] / BLOCK_SAMPLES) * math.sqrt(2 / BLOCK_SAMPLES)
    rows[0] /= math.sqrt(2)
    basis = torch.kron(rows, rows).reshape(BLOCK_SAMPLES**2, 2, STRIDE_SAMPLES, 2, STRIDE_SAMPLES)
    return basis.transpose(2, 3).reshape(BLOCK_SAMPLES**2, BLOCK_SAMPLES**2).float()


def values_by_cell(x: Tensor) -> Tensor:
    """Group the values by cell: (h, w) → (h / 4, w / 4, 16).

    >>> values_by_cell(torch.zeros(8, 12)).shape
    torch.Size([2, 3, 16])
    """
    height, width = x.shape
    return (
        x.reshape(height // STRIDE_SAMPLES, STRIDE_SAMPLES, width // STRIDE_SAMPLES, STRIDE_SAMPLES).transpose(1, 2).flatten(2)
    )


def overlapping_blocks(x: Tensor) -> Tensor:
    """Overlapping blocks of 2×2 cells, ordered by cell: (h, w) → ((h / 4 − 1)·(w / 4 − 1), 64).

    >>> overlapping_blocks(torch.zeros(8, 12)).shape
    torch.Size([2, 64])
    """
    cells = values_by_cell(x)
    rows, columns = cells.shape[0] - 1, cells.shape[1] - 1
    corners = [cells[down : rows + down, right : columns + right] for down in range(2) for right in range(2)]
    return torch.cat(corners, dim=-1).flatten(0, 1)


def overlap_add(cells: Tensor, places: Tensor, coefficients: Tensor, backward: Tensor) -> None:
    """Transform the blocks at some places back, and add them to the cells (C, rows + 1, columns + 1, 16) that they cover.

    >>> cells, place = torch.zeros(1, 2, 2, 16), torch.tensor([[0, 0, 0]])
    >>> overlap_add(cells, place, torch.ones(1, 64), cosine_basis()[None])
    >>> round(cells.square().sum().item(), 3)
    64.0
    """
    counts = torch.bincount(places[:, 0], minlength=len(cells)).tolist()
    for own, at, some, transform in zip(
        cells, torch.split(places, counts), torch.split(coefficients, counts), backward, strict=True
    ):
        values = some @ transform  # (n, 64)
        first = at[:, 1] * own.shape[1] + at[:, 2]
        for corner in range(4):
            down, right = divmod(corner, 2)
            piece = values[:, corner * STRIDE_SAMPLES**2 : (corner + 1) * STRIDE_SAMPLES**2]
            own.view(-1, STRIDE_SAMPLES**2).index_add_(0, first + (down * own.shape[1] + right), piece)


def values_by_row(cells: Tensor) -> Tensor:
    """The inverse of `values_by_cell`: (C, h, w, 16) → (C, 4·h, 4·w).

    >>> values_by_row(values_by_cell(torch.arange(64.0).reshape(8, 8))[None])[0, 0, :5].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    channels, rows, columns = cells.shape[:3]
    return (
        cells.reshape(channels, rows, columns, STRIDE_SAMPLES, STRIDE_SAMPLES)
        .transpose(2, 3)
        .reshape(channels, rows * STRIDE_SAMPLES, -1)
    )


def overlap_mean(total: Tensor, first: bool = True, last: bool = True) -> Tensor:
    """Turn sums of blocks into means. Four blocks cover a pixel, two at an edge, one in a corner.

    Args:
        total: (C, rows, columns) of a strip.
        first, last: whether the strip is the first or the last one.

    >>> overlap_mean(torch.ones(1, 12, 12))[0, 0, ::5].tolist()
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


def extend_to_blocks(x: Tensor) -> Tensor:
    """Extend to a multiple of the stride, and to at least one block, by repeating the edge.

    >>> extend_to_blocks(torch.zeros(1, 3, 13)).shape
    torch.Size([1, 8, 16])
    """
    rows, columns = (max(-(-length // STRIDE_SAMPLES) * STRIDE_SAMPLES, BLOCK_SAMPLES) for length in x.shape[-2:])
    return extend(x, rows, columns)


def extend(x: Tensor, rows: int, columns: int) -> Tensor:
    """Extend by repeating the edge, (C, h, w) → (C, rows, columns).

    >>> extend(torch.arange(3.0).reshape(1, 1, 3), 1, 5).tolist()
    [[[0.0, 1.0, 2.0, 2.0, 2.0]]]
    """
    if x.shape[-2:] == (rows, columns):
        return x
    return F.pad(x[None], (0, columns - x.shape[-1], 0, rows - x.shape[-2]), mode="replicate")[0]


def cell_means(x: Tensor, side: int) -> Tensor:
    """Means of square cells, (C, h, w) → (C, ⌈h / side⌉, ⌈w / side⌉). Incomplete cells are extended first.

    >>> cell_means(torch.arange(8.0).reshape(1, 1, 8), 4).tolist()
    [[[1.5, 5.5]]]
    """
    if side == 1:
        return x
    height, width = (-(-length // side) for length in x.shape[-2:])
    sums = extend(x, height * side, width * side).reshape(-1, height, side, width * side).sum(2)
    # A product of matrices is faster than a pooling layer
    return (sums.reshape(-1, side) @ sums.new_full((side, 1), 1 / side**2)).reshape(-1, height, width)


def repeat_cells(x: Tensor, side: int, shape: torch.Size) -> Tensor:
    """Repeat each value `side` times along both axes, and crop to `shape`.

    >>> repeat_cells(torch.ones(1, 1, 2), 2, torch.Size([1, 2, 3])).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    return x.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., : shape[-2], : shape[-1]]


def enlarge(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Bilinear interpolation to four times the size, cropped to `shape`, (C, h, w) → (C, H, W).

    >>> enlarge(torch.tensor([[[0.0, 4.0]]]), (1, 8)).tolist()
    [[[0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]]]
    """
    large: Tensor = F.interpolate(x[None].contiguous(), scale_factor=STRIDE_SAMPLES, mode="bilinear")[0]
    return large[:, : shape[-2], : shape[-1]]


def add_enlarged(result: Tensor, x: Tensor, rows: slice) -> None:
    """Add the enlarged `x` to some rows of a picture. Most of it is 0.

    >>> picture = torch.zeros(1, 8, 8)
    >>> add_enlarged(picture, torch.ones(1, 2, 2), slice(0, 4))
    >>> picture[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    top = max(rows.start // STRIDE_SAMPLES - 1, 0)
    part = x[:, top : -(-rows.stop // STRIDE_SAMPLES) + 1]
    filled = part.any(0).any(0).nonzero().flatten()
    if not len(filled):
        return
    first, last = max(int(filled[0]) - 2, 0), int(filled[-1]) + 3  # interpolation reaches one further, and clamps at ends
    large = enlarge(part[..., first:last], (4 * part.shape[1], 4 * (last - first)))
    columns = slice(first * STRIDE_SAMPLES, min(last * STRIDE_SAMPLES, result.shape[-1]))
    own = rows.start - top * STRIDE_SAMPLES
    result[:, rows, columns] += large[:, own : own + rows.stop - rows.start, : columns.stop - columns.start]
