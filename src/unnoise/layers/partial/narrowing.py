"""Keeping of a map, from layer to layer, no more than the layers still to come see around what is wanted in the end.

What is wanted may be several places, as the components' shares of a mosaic are: what is kept around them is put side by side. Where two
such pieces meet, and at the outer edges, a convolution sees neighbours that are not its own; but what that spoils is what the layers
to come no longer see.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product

import torch
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse
from unnoise.layers.partial.line_buffer import is_streamed
from unnoise.layers.partial.row_chunks import in_steps
from unnoise.regions import dilate_interval

Stretches = Sequence[slice]
"""Rows, or columns, of a map in pieces that do not overlap, in order."""
TOGETHER = 16
"""Rows that are moved by way of one copy."""


class Narrowing:
    """What is held of a map, (B, C, H, W) in the beginning.

    Args:
        size: H and W.
        rows, columns: that are wanted, each row with each column; in order, without overlaps.
    """

    def __init__(self, size: tuple[int, int], rows: Stretches, columns: Stretches) -> None:
        self.size, self.wanted = size, (rows, columns)
        self.held: tuple[Stretches, Stretches] = ([slice(0, size[0])], [slice(0, size[1])])

    def to(self, x: Tensor, by: int, multiple: int = 1) -> Tensor:
        """Of x, which is what is held, (B, C, h, w), keep `by` rows and columns around what is wanted: (B, C, h', w').

        Args:
            x: nobody else's: what is kept may take its memory.
            by: no more than what is held.
            multiple: pieces begin at multiples of it, in the whole map and side by side, for layers that look along its grid.
        """
        rows, columns = (around(wanted, by, length, multiple) for wanted, length in zip(self.wanted, self.size, strict=True))
        kept = _counted(rows, self.held[0]), _counted(columns, self.held[1])
        self.held = rows, columns
        return _moved_to_the_front(x, *kept) if is_streamed(x) else put_together(x, *kept)


def around(wanted: Stretches, by: int, length: int, multiple: int = 1) -> list[slice]:
    """The stretches and `by` places around each, within `length`, from and to multiples or the end; what meets is one."""
    result: list[slice] = []
    for stretch in wanted:
        wide = dilate_interval(stretch, by, length, multiple)
        if result and wide.start <= result[-1].stop:
            wide = slice(result.pop().start, wide.stop)
        result.append(wide)
    return result


def put_together(x: Tensor, rows: Stretches, columns: Stretches) -> Tensor:
    """These rows of (B, C, H, W), and of them these columns, side by side; x itself where that is all of it."""
    if _lengths(rows) == [x.shape[-2]] and _lengths(columns) == [x.shape[-1]]:
        return x
    if not can_fuse(x):
        return torch.cat([torch.cat([x[..., r, c] for c in columns], -1) for r in rows], -2)
    height, width = sum(_lengths(rows)), sum(_lengths(columns))
    result = x.new_empty(len(x), height, width, x.shape[1]).permute(0, 3, 1, 2)  # channels last, by one pass over memory
    for (place, r), (beside, c) in product(_placed(rows), _placed(columns)):
        result[..., place, beside] = x[..., r, c]
    return result


def _moved_to_the_front(x: Tensor, rows: Stretches, columns: Stretches) -> Tensor:
    """The same of one image, in its own memory."""
    if _lengths(rows) == [x.shape[-2]] and _lengths(columns) == [x.shape[-1]]:
        return x
    height, width = sum(_lengths(rows)), sum(_lengths(columns))
    values = x.permute(0, 2, 3, 1).flatten()
    result = values[: height * width * x.shape[1]].view(1, height, width, -1).permute(0, 3, 1, 2)
    for place, r in _placed(rows):
        for some in in_steps(r, TOGETHER):
            strip = torch.cat([x[..., some, c] for c in columns], dim=-1)  # a copy, as it may be put where it partly is
            start = place.start + some.start - r.start
            result[..., start : start + strip.shape[-2], :] = strip  # what is yet to be read lies beyond
    return result


def _counted(stretches: Stretches, held: Stretches) -> list[slice]:
    """Where the stretches lie in what is held of them, side by side."""
    result = []
    for stretch in stretches:
        place, whole = next(
            (place, whole) for place, whole in _placed(held) if whole.start <= stretch.start and stretch.stop <= whole.stop
        )
        start = place.start + stretch.start - whole.start
        result.append(slice(start, start + stretch.stop - stretch.start))
    return result


def _placed(stretches: Stretches) -> list[tuple[slice, slice]]:
    """Each stretch, with its place when they lie side by side before it."""
    ends = list(accumulate(_lengths(stretches)))
    return [(slice(start, end), stretch) for start, end, stretch in zip([0, *ends], ends, stretches, strict=False)]


def _lengths(stretches: Stretches) -> list[int]:
    return [stretch.stop - stretch.start for stretch in stretches]
