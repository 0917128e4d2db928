"""Values that are computed from a picture block by block, over its whole width, and kept for the next reader."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from unnoise.photometry.array_ops import concat

BLOCK_ROWS = 256
"""Height of a block in pixels."""
ALIGN_PIXELS = 32
"""Blocks, and what is read around them, begin at multiples of this."""
CACHE_BYTES = 2**28
"""Blocks are kept up to this size; the oldest are computed again when they are needed."""


class RowBlocks:
    """Arrays or tensors (…, H, W) by region, from a function that computes them for a block of rows.

    Args:
        size: height and width in pixels.
        compute: takes rows that begin at a multiple of `BLOCK_ROWS`, and gives arrays (…, rows, W).
        keep_all: whether all blocks are kept, for a picture that lies in memory.

    >>> import numpy as np
    >>> blocks = RowBlocks((600, 4), lambda rows: (np.arange(rows.start, rows.stop)[:, None].repeat(4, 1),))
    >>> blocks.read(slice(255, 258), slice(0, 1))[0].flatten().tolist()
    [255, 256, 257]
    """

    def __init__(self, size: tuple[int, int], compute: Callable[[slice], tuple[Any, ...]], *, keep_all: bool = False) -> None:
        self.size, self._compute, self._keep_all = size, compute, keep_all
        self._cache: OrderedDict[int, tuple[Any, ...]] = OrderedDict()

    def read(self, rows: slice, columns: slice) -> tuple[Any, ...]:
        """The arrays of a region, (…, rows, columns) each."""
        parts = []
        for block in blocks_of(self.size[0], rows):
            top = block.start
            inner = slice(max(rows.start, top) - top, min(rows.stop, block.stop) - top)
            parts.append([x[..., inner, columns] for x in self._block(block)])
        return tuple(concat(same, axis=-2) for same in zip(*parts, strict=True))

    def _block(self, rows: slice) -> tuple[Any, ...]:
        if rows.start in self._cache:
            self._cache.move_to_end(rows.start)
            return self._cache[rows.start]
        made = self._cache[rows.start] = self._compute(rows)
        while not self._keep_all and len(self._cache) > 1 and self._bytes() > CACHE_BYTES:
            self._cache.popitem(last=False)
        return made

    def _bytes(self) -> int:
        return sum(x.nbytes for block in self._cache.values() for x in block)


def blocks_of(height: int, rows: slice | None = None) -> Iterator[slice]:
    """The blocks that these rows, or all rows, touch.

    >>> list(blocks_of(600, slice(250, 300)))
    [slice(0, 256, None), slice(256, 512, None)]
    """
    first, last = (rows.start, rows.stop) if rows else (0, height)
    for top in range(first // BLOCK_ROWS * BLOCK_ROWS, last, BLOCK_ROWS):
        yield slice(top, min(top + BLOCK_ROWS, height))


def around(rows: slice, halo: int, height: int) -> tuple[slice, slice]:
    """Rows with at least `halo` more on each side, from a multiple of `ALIGN_PIXELS` on, and where the rows lie in them.

    >>> around(slice(256, 512), 40, 600)
    (slice(192, 552, None), slice(64, 320, None))
    """
    top = max(rows.start - halo, 0) // ALIGN_PIXELS * ALIGN_PIXELS
    return slice(top, min(rows.stop + halo, height)), slice(rows.start - top, rows.stop - top)
