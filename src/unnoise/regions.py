"""Regions of pictures: their geometry, and sources that read a picture region by region.

A source need not hold the picture in memory. It can also read the flipped or turned picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from array_api_compat import is_torch_array

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed

if TYPE_CHECKING:
    from torch import Tensor


class ValueMapping(Protocol):
    """A mapping of a picture's values to those that a network gets; `unnoise.photometry.normalization.Scale` is one."""

    def forward(self, x: Tensor) -> Tensor:
        """Map values of the picture to those that the network gets."""
        ...

    def inverse(self, restored: Tensor, noisy: Tensor) -> Tensor:
        """Map restored values back; `noisy` is the picture before."""
        ...


Region = tuple[slice, slice]
"""Rows and columns of a picture, in pixels. Both slices have a start and a stop."""


@dataclass(frozen=True)
class RegionSource:
    """A picture (B, C, H, W) that is read region by region: torch tensors, or other arrays of one kind.

    >>> import numpy as np
    >>> source = RegionSource.of(np.arange(6.0).reshape(1, 1, 2, 3))
    >>> source.rotate().read(slice(0, 1), slice(0, 2))
    array([[[[2., 5.]]]])
    """

    size: tuple[int, int]
    """Height and width in pixels."""
    read: Callable[[slice, slice], Tensor]
    """Reads rows and columns, both within the picture: (B, C, rows, columns)."""
    scale: ValueMapping | None = None
    """Maps the values to those that a network gets; None: they stay as they are."""

    @classmethod
    def of(cls, picture: Tensor) -> RegionSource:
        """A source for a picture in memory, (B, C, H, W)."""
        return cls((picture.shape[-2], picture.shape[-1]), lambda rows, columns: picture[..., rows, columns])

    def sample_windows(self, side: int = 256) -> list[Tensor]:
        """Read the windows of `sample_windows`, (B, C, h, w) float32 on the CPU each. They suffice to measure noise and
        range."""
        return [_as_float32(self.read(*part)) for part in sample_windows(self.size, side)]

    def flip(self) -> RegionSource:
        """The picture with left and right exchanged; see `flip_region`."""
        width = self.size[1]
        return RegionSource(self.size, lambda rows, columns: _flip_columns(self.read(rows, _mirror(columns, width))))

    def rotate(self) -> RegionSource:
        """The picture after a quarter turn, as `torch.rot90(x, 1, (-2, -1))` turns it; see `rotate_region`."""
        height, width = self.size

        def read(rows: slice, columns: slice) -> Tensor:
            turned: Any = _flip_columns(self.read(columns, _mirror(rows, width)))
            return array_namespace(turned).matrix_transpose(turned)

        return RegionSource((width, height), read)


def _as_float32(x: Any) -> Any:
    """As float32 on the CPU."""
    xp = array_namespace(x)
    return x.float().cpu() if is_torch_array(x) else xp.astype(x, xp.float32, copy=False)


def _flip_columns(x: Any) -> Any:
    return array_namespace(x).flip(x, axis=-1)


def flip_region(part: Region, size: tuple[int, int]) -> Region:
    """The place of a region after left and right of the picture of `size` are exchanged.

    >>> flip_region((slice(0, 1), slice(0, 2)), (4, 10))
    (slice(0, 1, None), slice(8, 10, None))
    """
    return part[0], _mirror(part[1], size[1])


def rotate_region(part: Region, size: tuple[int, int]) -> Region:
    """The place of a region after the picture of `size` is turned by `RegionSource.rotate`.

    >>> rotate_region((slice(0, 1), slice(0, 2)), (4, 10))
    (slice(8, 10, None), slice(0, 1, None))
    """
    return _mirror(part[1], size[1]), part[0]


def dilate(part: Region, by: int, size: tuple[int, int], multiple: int = 1) -> Region:
    """A region extended by at least `by` pixels on each side, within the picture. It begins and ends at multiples or at
    the edge.

    >>> dilate((slice(4, 5), slice(9, 10)), 2, (8, 10), multiple=4)
    (slice(0, 8, None), slice(4, 10, None))
    """
    rows, columns = (dilate_interval(stretch, by, length, multiple) for stretch, length in zip(part, size, strict=True))
    return rows, columns


def dilate_interval(stretch: slice, by: int, length: int, multiple: int = 1) -> slice:
    """`dilate` along one axis of `length` pixels.

    >>> dilate_interval(slice(4, 5), 2, 20)
    slice(2, 7, None)
    """
    if stretch.start == 0 and stretch.stop == length:  # nothing to compare, which an exported graph could not
        return stretch
    start, stop = max(stretch.start - by, 0), stretch.stop + by
    return slice(start // multiple * multiple, min(-(-stop // multiple) * multiple, length))


def relative_to(part: Region, outer: Region) -> Region:
    """A region relative to the first row and column of the region `outer`, which contains it.

    >>> relative_to((slice(4, 5), slice(9, 10)), (slice(2, 7), slice(5, 10)))
    (slice(2, 3, None), slice(4, 5, None))
    """
    rows, columns = (
        slice(inner.start - whole.start, inner.stop - whole.start) for inner, whole in zip(part, outer, strict=True)
    )
    return rows, columns


def downsample_region(part: Region, step: int) -> Region:
    """A region in units of `step` pixels: the region of each polyphase component. It begins at a multiple, and ends at
    one or the edge.

    >>> downsample_region((slice(4, 8), slice(2, 5)), 2)
    (slice(2, 4, None), slice(1, 3, None))
    """
    rows, columns = (slice(stretch.start // step, -(-stretch.stop // step)) for stretch in part)
    return rows, columns


def tile_grid(size: tuple[int, int], side: int, multiple: int = 1) -> Iterator[Region]:
    """Divide a picture of `size` into squares that do not overlap, from left to right, then down. `side` is rounded up
    to `multiple`.

    >>> [columns for rows, columns in tile_grid((4, 10), 6)]
    [slice(0, 6, None), slice(6, 10, None)]
    """
    side = -(-side // multiple) * multiple
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield slice(top, min(top + side, size[0])), slice(left, min(left + side, size[1]))


def sample_windows(size: tuple[int, int], side: int, multiple: int = 1, *, overlapping: bool = True) -> list[Region]:
    """Spread at most nine windows evenly over a picture.

    Args:
        size: height and width in pixels.
        side: height and width of a window in pixels; less if the picture is smaller.
        multiple: windows start at multiples of this.
        overlapping: whether windows may overlap. Then they cover a picture of up to three sides completely.

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
