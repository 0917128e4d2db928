"""Cropping a map from layer to layer to what the remaining layers see around the wanted windows.

The windows may be several, such as the components of a PD mosaic. They are kept side by side. At the seams and at the
outer edges a convolution sees neighbours that are not its own. That spoils only pixels which the remaining layers no
longer see.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product

import torch
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse
from unnoise.layers.partial.line_buffer import uses_line_buffer
from unnoise.layers.partial.row_chunks import split_rows
from unnoise.regions import dilate_interval

Intervals = Sequence[slice]
"""Rows, or columns, of a map: intervals in ascending order, without overlap."""
COPIED_ROWS = 16
"""How many rows are moved by one copy."""


class ShrinkingHalo:
    """What is still held of a map that was (B, C, H, W) at the beginning.

    Args:
        size: H and W.
        rows, columns: the windows; there is one for each interval of rows and each of columns.

    Example:
        >>> halo = ShrinkingHalo((10, 10), [slice(4, 6)], [slice(0, 2)])
        >>> halo.to(torch.rand(1, 3, 10, 10), 1).shape
        torch.Size([1, 3, 4, 3])
    """

    def __init__(self, size: tuple[int, int], rows: Intervals, columns: Intervals) -> None:
        self.size, self.wanted = size, (rows, columns)
        self.held: tuple[Intervals, Intervals] = ([slice(0, size[0])], [slice(0, size[1])])

    def to(self, x: Tensor, by: int, multiple: int = 1) -> Tensor:
        """Crop x to the windows and a halo around them: (B, C, h, w) → (B, C, h', w').

        Args:
            x: what is held now. Nobody else may need it, since the result may reuse its memory.
            by: width of the halo in pixels, at most that of what is held.
            multiple: pieces begin at multiples of this, in the whole map and side by side, for layers that work along a
                grid.
        """
        rows, columns = (
            dilate_intervals(wanted, by, length, multiple) for wanted, length in zip(self.wanted, self.size, strict=True)
        )
        kept = _offsets_within(rows, self.held[0]), _offsets_within(columns, self.held[1])
        self.held = rows, columns
        return _gather_in_place(x, *kept) if uses_line_buffer(x) else gather_windows(x, *kept)


def dilate_intervals(wanted: Intervals, by: int, length: int, multiple: int = 1) -> list[slice]:
    """Dilate each interval by `by` within 0 … `length`, outward to multiples; merge those that meet.

    Example:
        >>> dilate_intervals([slice(2, 3), slice(5, 6)], 1, 10)
        [slice(1, 7, None)]
    """
    result: list[slice] = []
    for stretch in wanted:
        wide = dilate_interval(stretch, by, length, multiple)
        if result and wide.start <= result[-1].stop:
            wide = slice(result.pop().start, wide.stop)
        result.append(wide)
    return result


def gather_windows(x: Tensor, rows: Intervals, columns: Intervals) -> Tensor:
    """Concatenate the windows of (B, C, H, W) side by side; x itself if they are all of it.

    Example:
        >>> gather_windows(torch.rand(1, 3, 9, 9), [slice(0, 2), slice(4, 5)], [slice(0, 9)]).shape
        torch.Size([1, 3, 3, 9])
    """
    if _lengths(rows) == [x.shape[-2]] and _lengths(columns) == [x.shape[-1]]:
        return x
    if not can_fuse(x):
        return torch.cat([torch.cat([x[..., r, c] for c in columns], -1) for r in rows], -2)
    height, width = sum(_lengths(rows)), sum(_lengths(columns))
    result = x.new_empty(len(x), height, width, x.shape[1]).permute(0, 3, 1, 2)  # channels last, by one pass over memory
    for (place, r), (beside, c) in product(_with_offsets(rows), _with_offsets(columns)):
        result[..., place, beside] = x[..., r, c]
    return result


def _gather_in_place(x: Tensor, rows: Intervals, columns: Intervals) -> Tensor:
    """`gather_windows` of one image, in its own memory."""
    if _lengths(rows) == [x.shape[-2]] and _lengths(columns) == [x.shape[-1]]:
        return x
    height, width = sum(_lengths(rows)), sum(_lengths(columns))
    values = x.permute(0, 2, 3, 1).flatten()
    result = values[: height * width * x.shape[1]].view(1, height, width, -1).permute(0, 3, 1, 2)
    for place, r in _with_offsets(rows):
        for some in split_rows(r, COPIED_ROWS):
            strip = torch.cat([x[..., some, c] for c in columns], dim=-1)  # a copy, since source and target may overlap
            start = place.start + some.start - r.start
            result[..., start : start + strip.shape[-2], :] = strip  # later sources lie beyond
    return result


def _offsets_within(stretches: Intervals, held: Intervals) -> list[slice]:
    """Where the intervals lie in the intervals that are held, which are concatenated."""
    result = []
    for stretch in stretches:
        place, whole = next(
            (place, whole)
            for place, whole in _with_offsets(held)
            if whole.start <= stretch.start and stretch.stop <= whole.stop
        )
        start = place.start + stretch.start - whole.start
        result.append(slice(start, start + stretch.stop - stretch.start))
    return result


def _with_offsets(stretches: Intervals) -> list[tuple[slice, slice]]:
    """Each interval, with its position once they are concatenated before it."""
    ends = list(accumulate(_lengths(stretches)))
    return [(slice(start, end), stretch) for start, end, stretch in zip([0, *ends], ends, stretches, strict=False)]


def _lengths(stretches: Intervals) -> list[int]:
    return [stretch.stop - stretch.start for stretch in stretches]
