"""Checks of image arrays, and conversion between bit depths. This module does not need PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError
from unnoise.images.picture import Pixels

DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
"""The types a pixel may have; integers span their whole range, floats 0..1."""

LOWEST, HIGHEST = -0.5, 1.5
"""Floats may leave 0..1 this far: noise, sharpening and interpolation overshoot, but 0..255 or −1..1 is another
scale."""


def check_array(pixels: Pixels, name: str = "The image", *, any_channels: bool = False) -> None:
    """Check the shape and type of an array.

    Args:
        pixels: (H, W) or (H, W, C), with H and W at least 1 and C in 1..4.
        name: the subject of the error message.
        any_channels: whether C may be larger.

    Raises:
        UsageError: another shape, or a type that is not in `DTYPES`.

    >>> check_array(np.zeros((4, 4, 7), np.uint8))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    shape = pixels.shape
    if pixels.dtype.newbyteorder("=").name not in DTYPES:
        raise UsageError(
            f"{name} has values of type {pixels.dtype}; convert it to uint8, uint16, or float16, 32 or 64 in 0..1."
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and shape[2] not in (1, 2, 3, 4) and not any_channels):
        channels_first = pixels.ndim == 3 and shape[0] in (1, 2, 3, 4)
        remedy = (
            "move the channels last with np.moveaxis(image, 0, -1)"
            if channels_first
            else "pass one image at a time, or name the axes, as axes='ZYX' for a stack"
        )
        raise UsageError(f"{name} has the shape {shape}, but (H, W) or (H, W, C) with 1 to 4 channels is expected; {remedy}.")
    if 0 in shape:
        raise UsageError(f"{name} has the shape {shape}, which holds no pixels; give at least one row and one column.")


def in_range(low: float, high: float) -> bool:
    """Whether values from `low` to `high` are an image in 0..1 with its noise.

    >>> in_range(-0.1, 1.2), in_range(0, 255)
    (True, False)
    """
    return low >= LOWEST and high <= HIGHEST


def check_range(low: float, high: float, bad: int, name: str = "The image", *, or_else: str = "") -> None:
    """Check that floats are an image in 0..1, with its noise.

    Args:
        low, high: the least and the greatest finite value.
        bad: the number of values that are not finite.
        name: the subject of the error message.
        or_else: another remedy that the message names.

    Raises:
        UsageError: a value is not finite, or far beyond 0..1.

    >>> check_range(0.0, 1.1, 0)
    """
    if bad:
        values = "value that is" if bad == 1 else "values that are"
        raise UsageError(f"{name} has {bad} {values} NaN or infinite; give them a number first, or write TIFF or .npy.")
    if not in_range(low, high):
        raise UsageError(
            f"{name} has values from {low:g} to {high:g}, but floats must lie in 0..1 ({LOWEST:g} to {HIGHEST:g} is let pass); "
            f"subtract the black level and divide by the white level first{or_else and f', or {or_else}'}."
        )


def depth_for(dtype: np.dtype[Any], depths: Sequence[str]) -> np.dtype[Any]:
    """Choose a type of pixels that a file can hold.

    The own type is chosen if the file can hold it. Otherwise float16 becomes float32, other floats become the deepest
    integers, and uint16 becomes uint8.

    Args:
        dtype: the type of the pixels.
        depths: the types that the file can hold.

    >>> depth_for(np.dtype("uint16"), ["uint8"])
    dtype('uint8')
    """
    name = dtype.newbyteorder("=").name
    if name in depths:
        return np.dtype(name)
    if name == "float16" and "float32" in depths:
        return np.dtype("float32")
    return np.dtype("uint16" if name != "uint16" and "uint16" in depths else "uint8")


def to_depth(pixels: Pixels, depths: Sequence[str], name: str = "The image") -> Pixels:
    """Convert pixels to the type that `depth_for` chooses. Values are rounded to the nearest, and floats are clipped.

    Raises:
        UsageError: floats that become integers are not finite, or on another scale than 0..1.

    >>> to_depth(np.array([[0.0, 1.0]], np.float32), ["uint8"])
    array([[  0, 255]], dtype=uint8)
    """
    wanted = depth_for(pixels.dtype, depths)
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    if pixels.dtype == wanted or wanted.kind == "f":
        return pixels.astype(wanted, copy=False)
    if pixels.dtype == np.uint16:
        rounded: Pixels = (pixels.astype(np.uint32) + 128) // 257  # 65535 = 255 · 257
        return rounded.astype(np.uint8)
    finite = np.isfinite(pixels)
    bad = pixels.size - int(np.count_nonzero(finite))
    ends = (math.nan, math.nan) if bad else (float(pixels.min()), float(pixels.max()))
    check_range(*ends, bad, name, or_else="write them to TIFF or .npy, which hold floats as they are")
    # float16 cannot hold 65535, and float32 can: widen before scaling
    scaled = np.clip(pixels.astype(np.promote_types(pixels.dtype, np.float32)), 0, 1) * np.iinfo(wanted).max
    return np.asarray(np.rint(scaled), dtype=wanted)


def stretched(pixels: Pixels, bits: int) -> Pixels:
    """Stretch integers of `bits` bits to the whole range of their type, so that white is white. `narrowed` inverts this.

    >>> stretched(np.array([0, 4095], np.uint16), 12)
    array([    0, 65535], dtype=uint16)
    """
    white, most = int(np.iinfo(pixels.dtype).max), 2**bits - 1
    wide = np.minimum(pixels, most).astype(np.uint64)
    made: Pixels = ((wide * white + most // 2) // most).astype(pixels.dtype)
    return made


def narrowed(pixels: Pixels, bits: int) -> Pixels:
    """Round integers over the range of their type to the nearest integers of `bits` bits.

    >>> narrowed(np.array([0, 65535], np.uint16), 12)
    array([   0, 4095], dtype=uint16)
    """
    white = int(np.iinfo(pixels.dtype).max)
    made: Pixels = ((pixels.astype(np.uint64) * (2**bits - 1) + white // 2) // white).astype(pixels.dtype)
    return made


def to_unit_float(pixels: Pixels) -> NDArray[np.float32]:
    """Convert pixels of any shape to float32 with black 0 and white 1; floats keep their values.

    Args:
        pixels: uint8, uint16, or floats in 0..1.

    >>> to_unit_float(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
