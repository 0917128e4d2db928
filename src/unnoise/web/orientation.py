"""Turned pictures: cameras store them as the sensor saw them, and EXIF's orientation says how they are shown."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored pixels as they are shown.

    Args:
        pixels: (H, W, C).
        orientation: EXIF's, 1..8. From 5 on, rows and columns change places.

    >>> import numpy as np
    >>> turned(np.arange(6).reshape(2, 3, 1), 6)[..., 0]
    array([[3, 0],
           [4, 1],
           [5, 2]])
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def stored_place(across: float, down: float, orientation: int) -> tuple[float, float]:
    """Where a place of the shown picture lies in the stored one.

    Args:
        across, down: 0..1.
        orientation: EXIF's, 1..8.

    >>> stored_place(0.25, 0.0, 6)
    (0.0, 0.75)
    """
    if orientation in (2, 3, 6, 7):
        across = 1 - across
    if orientation in (3, 4, 7, 8):
        down = 1 - down
    return (down, across) if orientation >= 5 else (across, down)
