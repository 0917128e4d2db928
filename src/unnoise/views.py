"""Pictures that need not lie in memory: reading parts of them, also of the picture flipped or turned, and the geometry of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.levels import Scale

Part = tuple[slice, slice]
"""Rows and columns of a picture, each from a start to a stop."""


@dataclass(frozen=True)
class View:
    """A picture (B, C, H, W) that is read part by part."""

    size: tuple[int, int]
    """H and W."""
    read: Callable[[slice, slice], Tensor]
    """Rows and columns, both within the picture → (B, C, rows, columns)."""
    scale: Scale | None = None
    """How a network sees the values; None: as they are."""

    @classmethod
    def of(cls, picture: Tensor) -> View:
        """A picture that is in memory, (B, C, H, W)."""
        return cls((picture.shape[-2], picture.shape[-1]), lambda rows, columns: picture[..., rows, columns])

    def windows(self, side: int = 256) -> list[Tensor]:
        """Windows of `spread_windows`, (B, C, h, w) float32 on the CPU each: enough to tell a picture's noise and range by."""
        return [self.read(*part).float().cpu() for part in spread_windows(self.size, side)]

    def flipped(self) -> View:
        """The picture with left and right exchanged; see `flipped`."""
        width = self.size[1]
        return View(self.size, lambda rows, columns: self.read(rows, _mirrored(columns, width)).flip(-1))

    def turned(self) -> View:
        """The picture turned by a quarter, as by `torch.rot90(x, 1, (-2, -1))`; see `turned`."""
        height, width = self.size

        def read(rows: slice, columns: slice) -> Tensor:
            return torch.rot90(self.read(columns, _mirrored(rows, width)), 1, (-2, -1))

        return View((width, height), read)


def flipped(part: Part, size: tuple[int, int]) -> Part:
    """Where `part` of a picture of `size` lies when left and right are exchanged."""
    return part[0], _mirrored(part[1], size[1])


def turned(part: Part, size: tuple[int, int]) -> Part:
    """Where `part` of a picture of `size` lies when it is turned as `View.turned` does."""
    return _mirrored(part[1], size[1]), part[0]


def grown(part: Part, by: int, size: tuple[int, int], multiple: int = 1) -> Part:
    """`part` and at least `by` pixels around it, as far as the picture goes; it begins and ends at multiples or at the edge."""
    rows, columns = (widened(stretch, by, length, multiple) for stretch, length in zip(part, size, strict=True))
    return rows, columns


def widened(stretch: slice, by: int, length: int, multiple: int = 1) -> slice:
    """`grown` along one axis of `length` pixels."""
    start, stop = max(stretch.start - by, 0), stretch.stop + by
    return slice(start // multiple * multiple, min(-(-stop // multiple) * multiple, length))


def within(part: Part, outer: Part) -> Part:
    """`part` counted from the first row and column of `outer`, which holds it."""
    rows, columns = (
        slice(inner.start - whole.start, inner.stop - whole.start) for inner, whole in zip(part, outer, strict=True)
    )
    return rows, columns


def coarser(part: Part, step: int) -> Part:
    """`part` counted in steps of so many pixels: its share of each polyphase component, where it begins at such a step and ends at one
    or at the edge."""
    rows, columns = (slice(stretch.start // step, -(-stretch.stop // step)) for stretch in part)
    return rows, columns


def parts(size: tuple[int, int], side: int, multiple: int = 1) -> Iterator[Part]:
    """A picture of `size` in squares of `side`, rounded up to `multiple`, that do not overlap; from left to right, then down."""
    side = -(-side // multiple) * multiple
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield slice(top, min(top + side, size[0])), slice(left, min(left + side, size[1]))


def spread_windows(size: tuple[int, int], side: int) -> list[Part]:
    """Windows of one size, evenly over a picture of `size`: at most nine, none wider or higher than `side`."""
    return [(rows, columns) for rows in _spread(size[0], side) for columns in _spread(size[1], side)]


def _spread(length: int, side: int) -> list[slice]:
    count, side = min(3, -(-length // side)), min(side, length)
    return [slice(start, start + side) for start in torch.linspace(0, length - side, 2 * count + 1)[1::2].int().tolist()]


def _mirrored(stretch: slice, length: int) -> slice:
    return slice(length - stretch.stop, length - stretch.start)
