"""How a U-Net computes a region of its result: the halo that each scale needs, and strips of rows at full size.

Nearly all work and memory of a U-Net is in its decoder at full size. Only the encoder must process the whole halo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse_on_cpu
from unnoise.layers.partial.row_chunks import concatenate_rows, is_chunking_forced, split_rows
from unnoise.layers.receptive_field import SpanMap, input_span, upsampling_span
from unnoise.regions import Region, dilate, relative_to

POOLING_LEVELS = 5
"""Poolings of the U-Nets here; sides must divide by 32."""
SMALL_BATCH_PIXELS = 2**18
"""A batch of up to this many pixels is not cut into strips: it takes little memory, and the strips would overlap."""
MIN_STRIP_ROWS = 32
"""Least number of rows in a strip. Two more rows on each side are computed for it."""


def full_region(x: Tensor) -> Region:
    """All rows and columns of (B, C, H, W).

    Example:
        >>> full_region(torch.rand(1, 3, 4, 5))
        (slice(0, 4, None), slice(0, 5, None))
    """
    return slice(0, x.shape[-2]), slice(0, x.shape[-1])


def row_strips(rows: slice, x: Tensor) -> list[slice]:
    """Cut rows of the result into strips of an even number of rows, about an eighth of H, on a CPU.

    All rows are one strip on other devices, for small batches, and where a gradient is wanted, since that keeps
    everything anyway.

    Args:
        rows: of the result.
        x: the network's input, (B, C, H, W).

    >>> row_strips(slice(0, 64), torch.zeros(1, 3, 64, 64))  # small
    [slice(0, 64, None)]
    """
    small = 0 if is_chunking_forced() else SMALL_BATCH_PIXELS
    if not can_fuse_on_cpu(x) or len(x) * x.shape[-2] * x.shape[-1] <= small:
        return [rows]
    return split_rows(rows, max(MIN_STRIP_ROWS, -(-x.shape[-2] // 16) * 2))


def max_pool(x: Tensor) -> Tensor:
    """2×2 max pooling, (B, C, H, W) → (B, C, H // 2, W // 2), also of uint8.

    Example:
        >>> max_pool(torch.arange(4.0).reshape(1, 1, 2, 2)).item()
        3.0
    """
    if not can_fuse_on_cpu(x) and x.dtype != torch.uint8:
        return F.max_pool2d(x, 2)
    # torch's pooling of channels-last maps takes up to twice as long for the same values.
    rows = torch.maximum(x[..., : x.shape[-2] // 2 * 2 : 2, :], x[..., 1::2, :])
    return torch.maximum(rows[..., : x.shape[-1] // 2 * 2 : 2], rows[..., 1::2])


def half_resolution(place: Region) -> Region:
    """The region at half the resolution, for one with even bounds.

    Example:
        >>> half_resolution((slice(2, 6), slice(0, 4)))
        (slice(1, 3, None), slice(0, 2, None))
    """
    rows, columns = (slice(stretch.start // 2, stretch.stop // 2) for stretch in place)
    return rows, columns


def with_halo(place: Region, size: tuple[int, int], *, upward: bool = False) -> Region:
    """The region that two 3×3 convolutions need for a region of their result, with even bounds.

    Args:
        place: the region of the result.
        size: height and width of this scale.
        upward: row i of a convolution depends on the rows i − 2 to i, in place of i − 1 to i + 1.

    Example:
        >>> with_halo((slice(4, 6), slice(0, 2)), (32, 32))
        (slice(2, 8, None), slice(0, 4, None))
    """
    rows, columns = place
    return dilate((slice(rows.start - 2, rows.stop - 2) if upward else rows, columns), 2, size, 2)


def input_interval(stretch: slice, path: Sequence[SpanMap], length: int, multiple: int) -> slice:
    """The rows, or columns, of the input that an interval of the result depends on, outward to multiples.

    Args:
        stretch: interval of the result.
        path: the deepest path from the output to the input. The multiples cover what shallower paths see.
        length: rows, or columns, of the picture.
        multiple: pixels that are pooled into one of the coarsest scale.

    >>> from unnoise.layers.receptive_field import kernel_span
    >>> input_interval(slice(9, 10), [kernel_span(1, 1)] * 2, length=100, multiple=8)
    slice(0, 16, None)
    """
    first, last = input_span(path, stretch.start, stretch.stop - 1)
    return slice(max(first, 0) // multiple * multiple, min((last // multiple + 1) * multiple, length))


def run_first_level(
    convolved: Callable[[Tensor], Tensor],
    pool: Callable[[Tensor], Tensor],
    x: Tensor,
    pieces: list[slice],
    *,
    upward: bool = False,
) -> Tensor:
    """pool(convolved(x)), (B, C, H, W) → (B, F, H/2, W/2), for two 3×3 convolutions, strip by strip.

    Args:
        convolved: the two convolutions.
        pool: halves both sides.
        x: (B, C, H, W).
        pieces: strips of all rows.
        upward: as in `with_halo`; the pooling then needs one row above as well.

    >>> x = torch.rand(1, 1, 8, 8)
    >>> pool = torch.nn.AvgPool2d(2)
    >>> torch.equal(run_first_level(lambda y: y, pool, x, [slice(0, 4), slice(4, 8)]), pool(x))
    True
    """
    rows, columns = full_region(x)
    results = []
    for piece in pieces:
        place = slice(max(piece.start - 2, 0) if upward else piece.start, piece.stop), columns
        around = with_halo(place, (rows.stop, columns.stop), upward=upward)
        features = convolved(x[..., *around])[..., *relative_to(place, around)]
        results.append(pool(features)[..., (piece.start - place[0].start) // 2 :, :])
    return concatenate_rows(results)


def run_encoder(
    convolved: Callable[[int, Tensor], Tensor], pool: Callable[[Tensor], Tensor], x: Tensor, levels: int = POOLING_LEVELS
) -> tuple[Tensor, list[Tensor]]:
    """A U-Net's encoder, from the pooled features of its full size, (B, F, H/2, W/2).

    Args:
        convolved: applies the convolutions of a level; level 1 is the full size.
        pool: halves both sides.
        x: those features.
        levels: number of poolings.

    Returns:
        The deepest features, (B, F, H/2^levels, W/2^levels), and the pooled ones of the levels above, finest first.

    >>> deepest, skips = run_encoder(lambda level, y: y, torch.nn.AvgPool2d(2), torch.rand(1, 1, 8, 8), levels=3)
    >>> deepest.shape, len(skips)
    (torch.Size([1, 1, 2, 2]), 2)
    """
    skips = []
    for level in range(2, levels + 1):
        skips.append(x)
        x = pool(convolved(level, x))  # (B, F, H/2^level, W/2^level)
    return convolved(levels + 1, x), skips


def run_decoder(
    stage: Callable[[int, Tensor, Region], Tensor],
    x: Tensor,
    wanted: Region,
    pieces: list[slice],
    size: tuple[int, int],
    levels: int = POOLING_LEVELS,
    *,
    upward: bool = False,
) -> Tensor:
    """A U-Net's decoder, from its deepest features (B, F, H/2^levels, W/2^levels) to a region of its result.

    Each scale is computed with no more halo than the next one needs.

    Args:
        stage: up-samples features, concatenates a skip and applies two 3×3 convolutions. It receives the level (1 is
            the full size), features that cover a region at half the resolution, and the region; it gives (B, F', rows,
            columns). It is called once for each level, but for level 1 once for each strip.
        x: the deepest features.
        wanted: the region of the result.
        pieces: strips of its rows, computed in order.
        size: H and W.
        levels: number of poolings.
        upward: as in `with_halo`.
    """
    places = [
        (wanted, with_halo(wanted, size, upward=upward))
    ]  # for each scale: the region of its result, and that of its input
    for level in range(1, levels):
        place = half_resolution(places[-1][1])
        places.append((place, with_halo(place, (size[0] // 2**level, size[1] // 2**level), upward=upward)))
    x = x[..., *half_resolution(places[-1][1])]
    for level in range(levels, 1, -1):
        place, around = places[level - 1]
        x = stage(level, x, around)[..., *relative_to(place, around)]  # (B, F', of H/2^(level − 1), of W/2^(level − 1))
    results = []
    for rows in pieces:
        place = rows, wanted[1]
        around = with_halo(place, size, upward=upward)
        covering = x[..., *relative_to(half_resolution(around), half_resolution(places[0][1]))]
        results.append(stage(1, covering, around)[..., *relative_to(place, around)])
    return concatenate_rows(results)


def deepest_path(convolution: SpanMap, pooling: SpanMap) -> list[SpanMap]:
    """A U-Net's deepest path from the output to the input: two convolutions at each scale, one at the last.

    >>> from unnoise.layers.receptive_field import kernel_span
    >>> len(deepest_path(kernel_span(1, 1), kernel_span(0, 1, stride=2))) == 5 * POOLING_LEVELS + 2
    True
    """
    up = [convolution, convolution, upsampling_span()]
    down = [pooling, convolution]
    return up * POOLING_LEVELS + [convolution] + down * POOLING_LEVELS + [convolution]
