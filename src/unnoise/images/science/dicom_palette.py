"""Palettes of DICOM (PALETTE COLOR, PS3.3 C.7.6.3.1.5 and C.7.9): numbers of colors in three tables."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Pixels

NAMES = ("Red", "Green", "Blue")
TABLES = (*(f"{name}PaletteColorLookupTable" for name in NAMES), *(f"Segmented{name}PaletteColorLookupTable" for name in NAMES))
ALPHAS = ("AlphaPaletteColorLookupTableData", "SegmentedAlphaPaletteColorLookupTableData")


@dataclass(frozen=True, eq=False)
class Palette:
    """The colors that stored numbers mean."""

    colors: Pixels
    """(N, 3): uint8 where 8 bits tell all of them apart, else uint16."""
    first: int
    """The stored number of the first color. What is below has the first color, what is beyond the end the last."""

    @classmethod
    def of(cls, header: Any, name: str) -> Palette:
        """Read the tables of a header. UsageError: they hold transparency. ValueError: they are damaged."""
        if any(key in header for key in ALPHAS):
            raise UsageError(f"{name} has a palette with transparency, which is not supported; convert it to RGB.")
        entries, first, bits = (int(value) for value in header.RedPaletteColorLookupTableDescriptor)
        entries = entries or 65536
        order = "<" if header.original_encoding[1] else ">"
        if "RedPaletteColorLookupTableData" in header:
            parts = [bytes(header[f"{color}PaletteColorLookupTableData"].value) for color in NAMES]
            table = np.stack([_entries(part, entries, order) for part in parts], axis=-1)
        else:
            if bits == 8 and entries > 256:  # pydicom wraps numbers around there
                raise UsageError(
                    f"{name} has a segmented palette of {entries} colors, which is not supported; convert it to RGB."
                )
            pixels: Any = import_module("pydicom.pixels")
            table = pixels.apply_color_lut(np.arange(first, first + entries), header)
        return cls(_narrow(table, bits), first)

    def presented(self, numbers: Pixels) -> Pixels:
        """Colors (..., 3) of stored numbers (...)."""
        made: Pixels = self.colors[np.clip(numbers.astype(np.int64) - self.first, 0, len(self.colors) - 1)]
        return made

    def numbers(self, colors: Pixels, before: Pixels) -> Pixels | None:
        """Stored numbers of colors (..., 3); None: some are not in the palette.

        Args:
            colors: (..., 3).
            before: the numbers that stood there. They stay where their color did, as a palette may hold a color twice.
        """
        changed = (self.presented(before) != colors).any(-1)
        made = before.copy()
        if changed.any():
            keys, known = _keys(colors[changed]), _keys(self.colors)
            order = np.argsort(known, kind="stable")
            place = order[np.minimum(np.searchsorted(known[order], keys), len(known) - 1)]
            if (known[place] != keys).any():
                return None
            made[changed] = (place + self.first).astype(before.dtype)
        return made


def _entries(content: bytes, entries: int, order: str) -> Pixels:
    """One table: 16 bits an entry, or 8 bits, with a byte to spare where their number is odd."""
    if len(content) >= 2 * entries:
        return np.frombuffer(content, f"{order}u2", entries).astype(np.uint16)
    if len(content) < entries:
        raise ValueError(f"its palette ends before color {entries}")
    return np.frombuffer(content, np.uint8, entries)


def _narrow(table: Pixels, bits: int) -> Pixels:
    """The colors in 8 bits where these say all: 8 bits in words, or 16 bits whose lower half is 0 or repeats the upper."""
    if table.dtype == np.uint8 or bits == 8:
        return table.astype(np.uint8)
    whole = (table % 256 == 0).all() or (table % 257 == 0).all()
    return (table >> 8).astype(np.uint8) if whole else table


def _keys(colors: Pixels) -> Pixels:
    """Each color (N, 3) as one number."""
    wide = colors.astype(np.uint64)
    made: Pixels = wide[:, 0] << np.uint64(32) | wide[:, 1] << np.uint64(16) | wide[:, 2]
    return made


def without_palette(header: Any) -> None:
    """Take all that speaks of a palette out of a header."""
    for table in TABLES:
        for part in ("Descriptor", "Data"):
            if f"{table}{part}" in header:
                delattr(header, f"{table}{part}")
    for key in ("PaletteColorLookupTableUID", "SmallestImagePixelValue", "LargestImagePixelValue"):
        if key in header:
            delattr(header, key)
