"""Cutting a picture into tiles with a halo, so that memory stays bounded however large the picture is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """One tile: the rows and columns that it reads, and those of them that it writes (its core)."""

    read: tuple[slice, slice]
    write: tuple[slice, slice]

    @property
    def core(self) -> tuple[slice, slice]:
        """The written part, counted from the first row and column that was read."""
        return tuple(slice(w.start - r.start, w.stop - r.start) for r, w in zip(self.read, self.write, strict=True))  # type: ignore[return-value]


def cut(height: int, width: int, side: int, halo: int, multiple: int = 1) -> Iterator[Tile]:
    """Cover height × width with tiles whose cores do not overlap.

    Args:
        height, width: of the picture, in pixels.
        side: of a core; rounded up to `multiple`.
        halo: pixels read beyond the core on each side, where the picture has them.
        multiple: every tile begins at a row and column that divides by it, so that PD cuts each tile in the picture's own phase.
    """
    side, halo = _up(side, multiple), _up(halo, multiple)
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
            yield Tile(
                read=(_grown(rows, halo, height), _grown(columns, halo, width)),
                write=(rows, columns),
            )


def _grown(part: slice, halo: int, length: int) -> slice:
    return slice(max(part.start - halo, 0), min(part.stop + halo, length))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
