"""The color filter over a sensor, which passes one of three colors to each pixel, and demosaicing, which interpolates
the other two.

Demosaicing makes camera noise spatially correlated: a missing value is a weighted sum of its neighbors and of their
noise. There are two linear methods. *bilinear* averages the nearest pixels of the wanted color. *malvar* adds a
correction from the known color of the pixel: Malvar, He and Cutler, "High-quality linear interpolation for demosaicing
of Bayer-patterned color images", ICASSP 2004, with their gains 1/2, 5/8 and 3/4. Its pictures are sharper, and its
noise is stronger and finer.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pattern = Literal["RGGB", "BGGR", "GRBG", "GBRG"]
"""The colors of the first two pixels in the first two rows, row by row."""
Method = Literal["bilinear", "malvar"]

# Each kernel interpolates one color from the raw values around a pixel. It is named after the places of that color: on
# all four sides (green at red or blue), in the same row or column (red or blue at green), or at the corners (red at
# blue, or blue at red).
_BILINEAR = {
    "sides": np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]) / 4,
    "row": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]) / 2,
    "corners": np.array([[0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]]) / 4,
}
_MALVAR = {
    "sides": np.array([[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]]) / 16,
    "row": np.array([[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]]) / 16,
    "corners": np.array([[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]]) / 16,
}
_KERNELS = {
    method: {**kernels, "column": kernels["row"].T} for method, kernels in (("bilinear", _BILINEAR), ("malvar", _MALVAR))
}


def mosaic(picture: Array, pattern: Pattern) -> Array:
    """What the color filter passes: (H, W, 3) → (H, W), one color for each pixel.

    >>> mosaic(np.array([[[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [1, 2, 3]]]), "RGGB").tolist()
    [[1, 2], [2, 3]]
    """
    raw = np.empty(picture.shape[:2], picture.dtype)
    for row, column in np.ndindex(2, 2):
        raw[row::2, column::2] = picture[row::2, column::2, _color(pattern, row, column)]
    return raw


def demosaic(raw: Array, pattern: Pattern, method: Method) -> Array:
    """Interpolate the two missing colors of each pixel.

    Both methods keep constants and linear ramps exactly, except in the two outermost rows and columns, where missing
    neighbors are mirrored. *malvar* assumes that colors change together, so give it white-balanced values.

    Args:
        raw: (H, W) with H, W ≥ 1, floats.
        pattern: of the color filter.
        method: of interpolation.

    Returns:
        (H, W, 3) of the same float type.

    >>> bool(np.allclose(demosaic(np.full((4, 4), 0.5), "RGGB", "malvar"), 0.5))
    True
    """
    kernels = _KERNELS[method]
    around = np.pad(raw, 2, mode="reflect")  # mirrored without repeating the edge, so that the pattern continues
    picture = np.empty((*raw.shape, 3), raw.dtype)
    for row, column in np.ndindex(2, 2):
        site = picture[row::2, column::2]  # a view of the pixels at this place of the pattern
        known = _color(pattern, row, column)
        site[..., known] = raw[row::2, column::2]
        if known == 1:
            guesses = {_color(pattern, row, 1 - column): "row", _color(pattern, 1 - row, column): "column"}
        else:
            guesses = {1: "sides", 2 - known: "corners"}
        for color, kernel in guesses.items():
            site[..., color] = _weigh(around[row:, column:], kernels[kernel], site.shape[:2])
    return picture


def _color(pattern: Pattern, row: int, column: int) -> int:
    """0, 1 or 2 for red, green or blue."""
    return "RGB".index(pattern[2 * row + column])


def _weigh(around: Array, kernel: Array, shape: tuple[int, int]) -> Array:
    """The kernel at every second pixel. `around` starts two pixels above and left of the first pixel."""
    height, width = 2 * shape[0], 2 * shape[1]
    total = np.zeros(shape, around.dtype)
    for dy, dx in zip(*np.nonzero(kernel), strict=True):
        total += around.dtype.type(kernel[dy, dx]) * around[dy : dy + height : 2, dx : dx + width : 2]
    return total
