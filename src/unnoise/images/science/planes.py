"""Arrays whose pictures are decoded one at a time: compressed FITS images, microscope files, frames of DICOM."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from unnoise.images.picture import Pixels
from unnoise.images.scratch import Scratch

Index = int | slice


class Planes:
    """An array (…, H, W) or (…, H, W, S), read one plane at a time; the last one that was decoded is kept."""

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, load: Callable[[tuple[int, ...]], Pixels | Scratch], inner: int = 2
    ) -> None:
        """
        Args:
            shape: of the whole array.
            dtype: of its values.
            load: decodes the plane at these places of the outer axes.
            inner: how many of the last axes are one plane: 2, or 3 with samples.
        """
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._load, self._outer = load, len(shape) - inner
        self._last: tuple[tuple[int, ...], Scratch] | None = None

    def __getitem__(self, index: tuple[Index, ...]) -> Pixels:
        outer, inner = index[: self._outer], index[self._outer :]
        ranges = [
            range(part, part + 1) if isinstance(part, int) else range(*part.indices(size))
            for part, size in zip(outer, self.shape, strict=False)
        ]
        parts = [self._part(place, inner) for place in itertools.product(*ranges)]
        if not parts:
            return np.zeros(0, self.dtype)
        lengths = [len(part) for part, given in zip(ranges, outer, strict=True) if not isinstance(given, int)]
        made: Pixels = np.stack(parts).reshape(*lengths, *parts[0].shape)
        return made

    def _part(self, place: tuple[int, ...], inner: tuple[Index, ...]) -> Pixels:
        rows, columns, *samples = (slice(part, part + 1) if isinstance(part, int) else part for part in inner)
        if self._last is None or self._last[0] != place:
            self.close()
            plane = self._load(place)
            self._last = place, plane if isinstance(plane, Scratch) else Scratch.of(plane)
        part = self._last[1][rows, columns]
        part = part[:, :, samples[0]] if samples else part
        made: Pixels = part[tuple(0 if isinstance(given, int) else slice(None) for given in inner)]
        return made.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Give the plane's room back."""
        if self._last is not None:
            self._last[1].close()
            self._last = None
