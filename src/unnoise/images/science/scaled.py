"""Stored numbers as the values that a header makes of them: slope · stored + intercept, with one number for missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.measured_values import LARGEST
from unnoise.images.picture import Pixels
from unnoise.images.science.base import Array

MOST_STEPS = 2.0**50
"""Intercept in steps of the slope, up to which float64 tells all stored numbers of 32 bits apart."""


def scaled(array: Any, slope: float, intercept: float, blank: int | None = None, *, name: str) -> Any:
    """The array as a header means it; the array itself if that is the same.

    Args:
        array: (…) as it is stored.
        slope, intercept: of the header; floats that are stored stay as they are, since these two do not change noise.
        blank: the stored number that means "missing".
        name: the subject of error messages.

    Raises UsageError for a slope or an intercept that is no number.
    """
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        raise UsageError(
            f"{name} says that its values are {slope:g} · stored + {intercept:g}, which is no scale; mend its header."
        )
    kind = array.dtype.newbyteorder("=")
    if kind.kind not in "iu":
        return array
    if blank is not None and not np.iinfo(kind).min <= blank <= np.iinfo(kind).max:
        blank = None
    if blank is None and slope == 1:
        if intercept == 0:
            return array
        if abs(intercept) == 2 ** (8 * kind.itemsize - 1) and (intercept > 0) == (kind.kind == "i"):
            return OtherSign(array)
    if abs(intercept) > MOST_STEPS * abs(slope):
        slope, intercept = 1.0, 0.0
    return Scaled(array, slope, intercept, blank, name)


class OtherSign:
    """Signed whole numbers as unsigned ones, or the reverse, by an offset of half their range."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape = array, array.shape
        stored = array.dtype.newbyteorder("=")
        self.dtype = np.dtype(f"{'u' if stored.kind == 'i' else 'i'}{stored.itemsize}")
        self._bit = np.array(1 << (8 * stored.itemsize - 1), f"u{stored.itemsize}")
        self._stored = stored

    def __getitem__(self, index: tuple[int | slice, ...]) -> Pixels:
        stored = np.ascontiguousarray(self.array[index], self._stored)
        made: Pixels = (stored.view(self._bit.dtype) ^ self._bit).view(self.dtype)
        return made

    def __setitem__(self, index: tuple[int | slice, ...], values: Pixels) -> None:
        turned = np.ascontiguousarray(values, self.dtype).view(self._bit.dtype) ^ self._bit
        self.array[index] = turned.view(self._stored)  # type: ignore[index]


class Scaled:
    """Whole numbers as float64 values; missing ones are NaN."""

    dtype = np.dtype("float64")

    def __init__(self, array: Array, slope: float, intercept: float, blank: int | None, name: str) -> None:
        self.array, self.shape = array, array.shape
        self._slope, self._intercept, self._blank, self._name = slope, intercept, blank, name
        self._stored = array.dtype.newbyteorder("=")

    def __getitem__(self, index: tuple[int | slice, ...]) -> Pixels:
        """UsageError: numbers are too large for float64."""
        stored = np.asarray(self.array[index])
        if self._stored.itemsize == 8 and stored.size and max(int(stored.max()), -int(stored.min())) > LARGEST:
            raise UsageError(f"{self._name} has whole numbers beyond {LARGEST}, which floats do not hold; divide them first.")
        values: Pixels = stored.astype(np.float64) * self._slope + self._intercept
        if self._blank is not None:
            values[stored == self._blank] = np.nan
        return values

    def __setitem__(self, index: tuple[int | slice, ...], values: Pixels) -> None:
        ends = np.iinfo(self._stored)
        missing = np.isnan(values)
        steps = np.rint((np.where(missing, 0, values) - self._intercept) / self._slope)
        stored = np.clip(steps, float(ends.min), np.nextafter(float(ends.max) + 1, 0)).astype(self._stored)
        if self._blank is not None:
            stored[(stored == self._blank) & ~missing] += 1 if self._blank < ends.max else -1  # or it would be missing
            stored[missing] = self._blank
        self.array[index] = stored  # type: ignore[index]
