"""What is put back at coarse scales to the strips of a large picture, decided some rows ahead of them.

Coarse scales reach far: 256 pixels. So strips would be read with as much above and below them, and examined twice. But coarse scales see
means of 4×4 pixels alone, a sixteenth of the picture. These are kept for many strips, and the strips need little around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from unnoise.inference.bounded_removal import ALIGN_PIXELS, RADIUS_PIXELS
from unnoise.inference.coarse_bounds import CoarseBounds
from unnoise.inference.do_no_harm import Cells, Guard
from unnoise.inference.overlapping_blocks import STRIDE_SAMPLES
from unnoise.photometry.array_ops import concat

CHUNK_PIXELS = 2**24
"""About this many pixels are decided together. They take about 9 bytes each."""
SPARE_PIXELS = ALIGN_PIXELS
"""So far beyond its rows a chunk may be asked for."""
Bounds = list[list[CoarseBounds] | None]
"""For each picture of a batch, for each model of its noise; None: the picture has no guard, or its guard has no need of any."""


class CoarsePass:
    """The coarse bounds of a batch of pictures, strip by strip from top to bottom.

    Args:
        size: height and width of the pictures.
        guards: one for each picture.
        read: gives rows of the noisy pictures and of their restorations, (B, C, rows, W) each. It is called with rows that begin at a
            multiple of `ALIGN_PIXELS`, once each and in order, and at most `RADIUS_PIXELS` + 2·`SPARE_PIXELS` + `CHUNK_PIXELS` / W rows
            ahead of what was asked for.
        strip: height in pixels of what is read at a time, a multiple of `ALIGN_PIXELS`.

    >>> import torch
    >>> from unnoise.regions import RegionSource
    >>> noisy = 0.5 + 0.02 * torch.randn(1, 3, 256, 128, generator=torch.Generator().manual_seed(0))
    >>> wrong = torch.full_like(noisy, 0.4)
    >>> passed = CoarsePass((256, 128), [Guard.of(RegionSource.of(noisy))], lambda rows: (noisy[..., rows, :], wrong[..., rows, :]), 64)
    >>> (bounds,), = passed.at(slice(64, 128))
    >>> bounds.returned.shape, bool(abs(bounds.returned.mean() - 0.1) < 0.02)  # 0.1 too dark: that comes back
    (torch.Size([3, 16, 32]), True)
    """

    def __init__(
        self, size: tuple[int, int], guards: Sequence[Guard], read: Callable[[slice], tuple[Any, Any]], strip: int
    ) -> None:
        self.size, self.guards, self._read, self.strip = size, guards, read, strip
        self.chunk = max(strip, CHUNK_PIXELS // size[1] // strip * strip)
        self._cells: list[list[Cells]] = []  # of each picture and model, from row `_first` of the picture to row `_last`
        self._first = self._last = 0
        self._bounds: Bounds = []
        self._decided = slice(0, 0)

    def at(self, rows: slice) -> Bounds:
        """The bounds of these rows, which begin at a multiple of `STRIDE_SAMPLES`."""
        middle = (rows.start + rows.stop) // 2 // self.chunk * self.chunk
        if not self._bounds or middle != self._decided.start:
            self._decide(slice(middle, min(middle + self.chunk, self.size[0])))
        own = slice(rows.start - self._first, rows.stop - self._first)
        return [each and [bounds.rows(own) for bounds in each] for each in self._bounds]

    def _decide(self, rows: slice) -> None:
        reach = RADIUS_PIXELS + SPARE_PIXELS
        first, last = max(rows.start - reach, 0), min(rows.stop + reach, self.size[0])
        self._forget_before(first)
        while self._last < last:
            self._add(slice(self._last, min(self._last + self.strip, self.size[0])))
        size = self._last - self._first, self.size[1]
        self._bounds = [
            None if guard.kept else guard.decide_coarse(cells, size)
            for guard, cells in zip(self.guards, self._cells, strict=True)
        ]
        self._decided = rows

    def _add(self, rows: slice) -> None:
        noisy, restored = self._read(rows)
        new = [[] if guard.kept else guard.cells(noisy[n : n + 1], restored[n : n + 1]) for n, guard in enumerate(self.guards)]
        if not self._cells:
            self._cells = new
        else:
            self._cells = [
                [(concat([a, c], axis=-2), concat([b, d], axis=-2)) for (a, b), (c, d) in zip(old, more, strict=True)]
                for old, more in zip(self._cells, new, strict=True)
            ]
        self._last = rows.stop

    def _forget_before(self, first: int) -> None:
        gone = (first - self._first) // STRIDE_SAMPLES
        self._cells = [[(a[:, gone:], b[:, gone:]) for a, b in each] for each in self._cells]
        self._first = first
