"""Blocks that are like a reference block, for many reference blocks at once.

The squared distance of two blocks is |a|² + |b|² − 2a·b, so the distances of a tile of references to all blocks around
are one matrix product. This is many times as fast as a loop over shifts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 8
"""References along each side of a tile. A larger tile computes more distances that no reference needs."""
_FAR = 1e9
"""The squared norm of blocks outside the picture."""


def blocks_of(x: Tensor, side: int) -> Tensor:
    """All blocks of a picture, (C, H, W) → (C, H − side + 1, W − side + 1, side²).

    >>> blocks_of(torch.arange(12.0).reshape(1, 3, 4), 2)[0, 1, 2].tolist()
    [6.0, 7.0, 10.0, 11.0]
    """
    return x.unfold(1, side, 1).unfold(2, side, 1).flatten(3)


def match(
    blocks: Tensor, first: int, rows: int, columns: int, step: int, radius: int, count: int, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The nearest blocks of each reference block, itself among them.

    Args:
        blocks: (H, W, N), all blocks of a picture by the row and column of their first pixel.
        first: row of the first references.
        rows, columns: number of references. They lie `step` apart, the first ones at row `first` and column 0.
        step: distance of references in pixels.
        radius: of the search window, in pixels.
        count: blocks that are wanted.
        bias: (2·radius + 1, 2·radius + 1), what is added to the squared distance per pixel at each shift; None: nothing.

    Returns:
        Squared distances per pixel with their bias, and indices into the H·W blocks, (rows·columns, count) each. The nearest comes
        first. Where the window holds fewer blocks, distances are huge.

    >>> blocks = blocks_of(torch.tile(torch.rand(1, 4, 4), (1, 3, 3)), 4)[0]
    >>> distance, index = match(blocks, 0, 2, 2, 3, 4, 4)
    >>> bool((distance < 1e-6).all())
    True
    """
    height, width, size = blocks.shape
    blocks = blocks - blocks.mean()  # smaller numbers: the differences below lose fewer digits
    down, right = -(-rows // TILE), -(-columns // TILE)
    reach = step * (TILE - 1) + 2 * radius + 1  # rows and columns of blocks that a tile looks at
    bottom = first + (down * TILE - 1) * step + radius + 1 - height
    end = (right * TILE - 1) * step + radius + 1 - width
    sides = radius, max(end, 0), max(radius - first, 0), max(bottom, 0)
    padded = F.pad(blocks, (0, 0, *sides))
    norms = F.pad(blocks.square().sum(2), sides, value=_FAR)
    top = max(first - radius, 0)
    padded, norms = padded[top:], norms[top:]  # the first row is now `radius` above the first references
    found = []
    window = 2 * radius + 1
    for i in range(down):
        y = i * TILE * step
        tiles = [slice(j * TILE * step, j * TILE * step + reach) for j in range(right)]
        around = torch.stack([padded[y : y + reach, x] for x in tiles]).flatten(1, 2)  # (right, reach², N)
        their = torch.stack([norms[y : y + reach, x] for x in tiles]).flatten(1, 2)  # (right, reach²)
        inner = y + radius, y + radius + TILE * step
        own = torch.stack([padded[slice(*inner, step), x.start + radius : x.stop - radius : step] for x in tiles])
        own = own.flatten(1, 2)  # (right, TILE², N)
        products = torch.baddbmm(their[:, None], own, around.transpose(1, 2), alpha=-2)  # (right, TILE², reach²)
        strides = (TILE * TILE * reach**2, TILE * reach**2 + step * reach, reach**2 + step, reach, 1)
        windows = products.as_strided((right, TILE, TILE, window, window), strides)
        if bias is not None:
            windows += bias * size
        windows[..., radius, radius] = -_FAR  # the reference is in its group even if others are as near
        nearest, place = windows.flatten(3).topk(count, dim=3, largest=False)  # (right, TILE, TILE, count)
        nearest = (nearest + own.square().sum(2).reshape(right, TILE, TILE, 1)).clamp(min=0)
        found.append((nearest.transpose(0, 1).flatten(1, 2), place.transpose(0, 1).flatten(1, 2)))  # (TILE, right·TILE, count)
    distance = torch.cat([each[0] for each in found])[:rows, :columns]
    place = torch.cat([each[1] for each in found])[:rows, :columns]  # (rows, columns, count), in the window
    row = torch.arange(rows, device=place.device)[:, None, None] * step + first + place // window - radius
    column = torch.arange(columns, device=place.device)[:, None] * step + place % window - radius
    return (distance / size).flatten(0, 1), (row * width + column).flatten(0, 1)
