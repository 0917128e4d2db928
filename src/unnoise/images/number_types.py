"""Types of numbers: asking for a finer type than a picture has, and whole numbers as the floats that networks take.

A finer type keeps what the pixels mean. Colors, and pictures with alpha, keep black and white: 255 of uint8 becomes
65535 of uint16 and 1.0 of floats. Gray pictures and channels that are no colors keep their numbers, such as counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.measured_values import FLOATS, Filled
from unnoise.images.opening import Frame, Regions
from unnoise.images.picture import Layout, Pixels
from unnoise.images.scratch import Window

NAMES = ("uint8", "uint16", *FLOATS, "float16", "float32", "float64")
"""The types that can be asked for."""


def check_dtype(name: str | None) -> None:
    """Raise `UsageError` unless the name is None or one of `NAMES`.

    >>> check_dtype("float32")
    """
    if name is not None and name not in NAMES:
        raise UsageError(f"The type '{name}' is unknown; give one of {', '.join(NAMES)}.")


def keeps_numbers(layout: Layout) -> bool:
    """Whether a finer type keeps the numbers, as of counts. Else it keeps black and white."""
    return layout.colours in ("grey", "channels") and not layout.alpha


def factor_to(own: str, wanted: str, layout: Layout, name: str = "The image") -> float:
    """The factor from the numbers of one type to those of another.

    Args:
        own, wanted: names of types.
        layout: the meaning of the channels.
        name: the subject of the error.

    Raises:
        UsageError: the type that is wanted cannot hold the values.

    >>> factor_to("uint8", "uint16", Layout("rgb"))
    257.0
    """
    numbers = keeps_numbers(layout)
    can = [each for each in NAMES if _holds(own, each) and (numbers or each in ("uint8", "uint16") or each.startswith("float"))]
    if wanted not in can:
        raise UsageError(f"{name} has values of type {own}, which {wanted} cannot hold; ask for one of {', '.join(can)}.")
    if numbers or own.startswith("float") or own == wanted:
        return 1.0
    white = float(np.iinfo(own).max)
    return 1 / white if wanted.startswith("float") else float(np.iinfo(wanted).max) / white


def _holds(own: str, wanted: str) -> bool:
    return bool(np.can_cast(own, wanted)) or (own.startswith("float") and wanted in ("float32", "float64"))


def converted(frame: Frame, wanted: str) -> Frame:
    """A picture of a file as pixels of a finer type. Whole numbers beside uint8 and uint16 stay floats, as in any frame.

    Raises:
        UsageError: the type that is wanted cannot hold the values.
    """
    own = frame.metadata.stored or frame.dtype.name
    if own == wanted:
        return frame
    factor = factor_to(own, wanted, frame.layout, frame.name)
    dtype = np.dtype(FLOATS.get(wanted, wanted))
    metadata = replace(frame.metadata, stored=wanted if wanted in FLOATS else "", sample=None)
    if isinstance(frame.pixels, Filled):
        return replace(frame, pixels=Filled(_Converted(frame.pixels.pixels, dtype, factor)), metadata=metadata)
    return replace(frame, pixels=_Converted(frame.pixels, dtype, factor), metadata=metadata)


class _Converted:
    """Regions of pixels in another type, times a factor."""

    def __init__(self, pixels: Any, dtype: np.dtype[Any], factor: float) -> None:
        self.pixels: Regions = pixels
        self.shape, self.dtype, self.factor = pixels.shape, dtype, factor

    def region(self, rows: slice, columns: slice) -> Pixels:
        return self._made(self.pixels.region(rows, columns))

    def __getitem__(self, window: Window) -> Pixels:
        return self._made(self.pixels[window])

    def _made(self, part: Pixels) -> Pixels:
        if self.factor == 1:
            return part.astype(self.dtype)
        made: Pixels = (part * np.float64(self.factor)).astype(self.dtype)  # 257 is exact
        return made

    def close(self) -> None:
        self.pixels.close()
