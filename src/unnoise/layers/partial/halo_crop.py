"""How a U-Net works out a part of its result: where that is wanted of each scale going up, and in which strips of rows at full size.

Nearly all of the work and the memory of a U-Net is in its decoder at full size. Of a window that is larger than what is wanted of
it, only the encoder must see everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse_on_cpu
from unnoise.layers.partial.row_chunks import in_steps, is_as_if_large, joined
from unnoise.layers.receptive_field import Layer, doubling, seen_through
from unnoise.regions import Region, dilate, relative_to

LEVELS = 5
"""Poolings of the U-Nets here, so that sides must divide by 32."""
SMALL = 2**18
"""Pixels of a batch whose features at full size take no memory to speak of: their strips' edges would be worked out twice for nothing."""
LOW = 32
"""Rows of a strip at least: two more on each side are worked out for it."""


def everywhere(x: Tensor) -> Region:
    """All rows and columns of (B, C, H, W)."""
    return slice(0, x.shape[-2]), slice(0, x.shape[-1])


def strips(rows: slice, x: Tensor) -> list[slice]:
    """`rows` of the result for (B, C, H, W) in pieces, each an even number of them: of an eighth of H on a CPU, elsewhere all at once.

    So are they where x is `SMALL`, and where a gradient is wanted, for which everything is kept anyway.
    """
    small = 0 if is_as_if_large() else SMALL
    if not can_fuse_on_cpu(x) or len(x) * x.shape[-2] * x.shape[-1] <= small:
        return [rows]
    return in_steps(rows, max(LOW, -(-x.shape[-2] // 16) * 2))


def halved(x: Tensor) -> Tensor:
    """The largest of each 2×2 pixels, (B, C, H, W) → (B, C, H // 2, W // 2)."""
    if not can_fuse_on_cpu(x) and x.dtype != torch.uint8:
        return F.max_pool2d(x, 2)
    # The same values; torch's pooling of maps whose channels lie last takes up to twice as long.
    rows = torch.maximum(x[..., : x.shape[-2] // 2 * 2 : 2, :], x[..., 1::2, :])
    return torch.maximum(rows[..., : x.shape[-1] // 2 * 2 : 2], rows[..., 1::2])


def half(place: Region) -> Region:
    """The same place at half the resolution, for one that begins and ends at even rows and columns."""
    rows, columns = (slice(stretch.start // 2, stretch.stop // 2) for stretch in place)
    return rows, columns


def seen(place: Region, size: tuple[int, int], *, upward: bool = False) -> Region:
    """What two 3×3 convolutions see of a scale of `size`, in whole pixels of the next one.

    Args:
        upward: row i of a convolution sees the rows i − 2 to i, in place of i − 1 to i + 1.
    """
    rows, columns = place
    return dilate((slice(rows.start - 2, rows.stop - 2) if upward else rows, columns), 2, size, 2)


def read(stretch: slice, path: Sequence[Layer], length: int, multiple: int) -> slice:
    """Which of `length` rows or columns of a picture the result at `stretch` depends on, beginning and ending at multiples.

    Args:
        path: the deepest from the output to the input. Others may see the place itself as well, which the multiples hold.
        multiple: pixels that are pooled into one of the coarsest scale.
    """
    first, last = seen_through(path, stretch.start, stretch.stop - 1)
    return slice(max(first, 0) // multiple * multiple, min((last // multiple + 1) * multiple, length))


def pooled_first(
    convolved: Callable[[Tensor], Tensor],
    pool: Callable[[Tensor], Tensor],
    x: Tensor,
    pieces: list[slice],
    *,
    upward: bool = False,
) -> Tensor:
    """pool(convolved(x)), (B, C, H, W) → (B, F, H/2, W/2), for two 3×3 convolutions, in `pieces` of all rows.

    Args:
        upward: as for `seen`, and the pooling looks one row up as well.
    """
    rows, columns = everywhere(x)
    results = []
    for piece in pieces:
        place = slice(max(piece.start - 2, 0) if upward else piece.start, piece.stop), columns
        around = seen(place, (rows.stop, columns.stop), upward=upward)
        features = convolved(x[..., *around])[..., *relative_to(place, around)]
        results.append(pool(features)[..., (piece.start - place[0].start) // 2 :, :])
    return joined(results)


def encoded(
    convolved: Callable[[int, Tensor], Tensor], pool: Callable[[Tensor], Tensor], x: Tensor, levels: int = LEVELS
) -> tuple[Tensor, list[Tensor]]:
    """A U-Net's way down, from the pooled features of its full size (B, F, H/2, W/2).

    Args:
        convolved: applies the convolutions of a level, 1 being the full size.
        pool: halves sides.
        x: those features.
        levels: poolings in all.

    Returns:
        The deepest features, (B, F, H/2^levels, W/2^levels), and the pooled ones of the levels above them, finest first.
    """
    skips = []
    for level in range(2, levels + 1):
        skips.append(x)
        x = pool(convolved(level, x))  # (B, F, H/2^level, W/2^level)
    return convolved(levels + 1, x), skips


def decoded(
    stage: Callable[[int, Tensor, Region], Tensor],
    x: Tensor,
    wanted: Region,
    pieces: list[slice],
    size: tuple[int, int],
    levels: int = LEVELS,
    *,
    upward: bool = False,
) -> Tensor:
    """A U-Net's way up, from its deepest features (B, F, H/2^levels, W/2^levels) to the part `wanted` of its result.

    Each scale is worked out no further around than the convolutions of the next one ask.

    Args:
        stage: doubles the sides of features, joins them with a skip and applies two 3×3 convolutions: from the level, 1 at full size,
            what covers a place at half the resolution, and the place → (B, F', rows, columns). Called for each level once, but for
            level 1 with each of the pieces.
        x: the deepest features.
        pieces: the rows of `wanted`, cut into strips that are worked out one after the other.
        size: H and W.
        upward: as for `seen`.
    """
    places = [(wanted, seen(wanted, size, upward=upward))]  # of each scale, what it is to give and what that takes
    for level in range(1, levels):
        place = half(places[-1][1])
        places.append((place, seen(place, (size[0] >> level, size[1] >> level), upward=upward)))
    x = x[..., *half(places[-1][1])]
    for level in range(levels, 1, -1):
        place, around = places[level - 1]
        x = stage(level, x, around)[..., *relative_to(place, around)]  # (B, F', of H/2^(level − 1), of W/2^(level − 1))
    results = []
    for rows in pieces:
        place = rows, wanted[1]
        around = seen(place, size, upward=upward)
        covering = x[..., *relative_to(half(around), half(places[0][1]))]
        results.append(stage(1, covering, around)[..., *relative_to(place, around)])
    return joined(results)


def deepest_path(convolution: Layer, pooling: Layer) -> list[Layer]:
    """A U-Net's deepest path from the output to the input, with the given 3×3 convolution and pooling: two at each scale but the last."""
    up = [convolution, convolution, doubling()]
    down = [pooling, convolution]
    return up * LEVELS + [convolution] + down * LEVELS + [convolution]
