"""Pictures that need not lie in memory: reading parts of them, also of the picture flipped or turned, and the geometry of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unnoise.deprecated.module_names import renamed


class ValueMapping(Protocol):
    """How a network sees a picture's values; `unnoise.photometry.normalization.Scale` is one."""

    def forward(self, x: Tensor) -> Tensor: ...

    def inverse(self, restored: Tensor, noisy: Tensor) -> Tensor: ...


Region = tuple[slice, slice]
"""Rows and columns of a picture, each from a start to a stop."""


@dataclass(frozen=True)
class RegionSource:
    """A picture (B, C, H, W) that is read part by part."""

    size: tuple[int, int]
    """H and W."""
    read: Callable[[slice, slice], Tensor]
    """Rows and columns, both within the picture → (B, C, rows, columns)."""
    scale: ValueMapping | None = None
    """How a network sees the values; None: as they are."""

    @classmethod
    def of(cls, picture: Tensor) -> RegionSource:
        """A picture that is in memory, (B, C, H, W)."""
        return cls((picture.shape[-2], picture.shape[-1]), lambda rows, columns: picture[..., rows, columns])

    def sample_windows(self, side: int = 256) -> list[Tensor]:
        """Windows of `sample_windows`, (B, C, h, w) float32 on the CPU each: enough to tell a picture's noise and range by."""
        return [self.read(*part).float().cpu() for part in sample_windows(self.size, side)]

    def flip(self) -> RegionSource:
        """The picture with left and right exchanged; see `flip_region`."""
        width = self.size[1]
        return RegionSource(self.size, lambda rows, columns: self.read(rows, _mirror(columns, width)).flip(-1))

    def rotate(self) -> RegionSource:
        """The picture turned by a quarter, as by `torch.rot90(x, 1, (-2, -1))`; see `rotate_region`."""
        height, width = self.size

        def read(rows: slice, columns: slice) -> Tensor:
            return torch.rot90(self.read(columns, _mirror(rows, width)), 1, (-2, -1))

        return RegionSource((width, height), read)


def flip_region(part: Region, size: tuple[int, int]) -> Region:
    """Where `part` of a picture of `size` lies when left and right are exchanged."""
    return part[0], _mirror(part[1], size[1])


def rotate_region(part: Region, size: tuple[int, int]) -> Region:
    """Where `part` of a picture of `size` lies when it is turned as `RegionSource.rotate` does."""
    return _mirror(part[1], size[1]), part[0]


def dilate(part: Region, by: int, size: tuple[int, int], multiple: int = 1) -> Region:
    """`part` and at least `by` pixels around it, as far as the picture goes; it begins and ends at multiples or at the edge."""
    rows, columns = (dilate_interval(stretch, by, length, multiple) for stretch, length in zip(part, size, strict=True))
    return rows, columns


def dilate_interval(stretch: slice, by: int, length: int, multiple: int = 1) -> slice:
    """`dilate` along one axis of `length` pixels."""
    start, stop = max(stretch.start - by, 0), stretch.stop + by
    return slice(start // multiple * multiple, min(-(-stop // multiple) * multiple, length))


def relative_to(part: Region, outer: Region) -> Region:
    """`part` counted from the first row and column of `outer`, which holds it."""
    rows, columns = (
        slice(inner.start - whole.start, inner.stop - whole.start) for inner, whole in zip(part, outer, strict=True)
    )
    return rows, columns


def downsample_region(part: Region, step: int) -> Region:
    """`part` counted in steps of so many pixels: its share of each polyphase component, where it begins at such a step and ends at one
    or at the edge."""
    rows, columns = (slice(stretch.start // step, -(-stretch.stop // step)) for stretch in part)
    return rows, columns


def tile_grid(size: tuple[int, int], side: int, multiple: int = 1) -> Iterator[Region]:
    """A picture of `size` in squares of `side`, rounded up to `multiple`, that do not overlap; from left to right, then down."""
    side = -(-side // multiple) * multiple
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield slice(top, min(top + side, size[0])), slice(left, min(left + side, size[1]))


def sample_windows(size: tuple[int, int], side: int, multiple: int = 1, *, overlapping: bool = True) -> list[Region]:
    """At most nine windows, spread evenly over a picture of `size`.

    Args:
        size: H and W in pixels.
        side: height and width of a window in pixels; less where the picture is smaller.
        multiple: windows start at multiples of this.
        overlapping: whether windows may overlap, so that they reach every part of a picture of up to three sides.

    >>> sample_windows((4, 20), 4)
    [(slice(0, 4, None), slice(2, 6, None)), (slice(0, 4, None), slice(8, 12, None)), (slice(0, 4, None), slice(13, 17, None))]
    """
    rows, columns = (_spread_intervals(length, side, multiple, overlapping) for length in size)
    return [(stretch, other) for stretch in rows for other in columns]


def _spread_intervals(length: int, side: int, multiple: int, overlapping: bool) -> list[slice]:
    count = min(3, -(-length // side) if overlapping else max(1, length // side))
    side = min(side, length)
    starts = ((length - side) * (2 * place + 1) // (2 * count) // multiple * multiple for place in range(count))
    return [slice(start, start + side) for start in starts]


def _mirror(stretch: slice, length: int) -> slice:
    return slice(length - stretch.stop, length - stretch.start)


__getattr__ = renamed(
    __name__,
    {
        "View": "RegionSource",
        "Part": "Region",
        "flipped": "flip_region",
        "turned": "rotate_region",
        "grown": "dilate",
        "widened": "dilate_interval",
        "within": "relative_to",
        "coarser": "downsample_region",
        "parts": "tile_grid",
        "spread_windows": "sample_windows",
    },
)
