"""The colour filter over a sensor, which lets each pixel see one colour of three, and the guessing of the other two.

The guessing is what makes camera noise spatially correlated: a missing value is a weighted sum of its neighbours and of their
noise. Two linear methods are here. *bilinear* averages the nearest pixels of the wanted colour. *malvar* adds a correction from
the colour that is known at the pixel: Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of
Bayer-patterned color images", ICASSP 2004, with their gains 1/2, 5/8 and 3/4; it is sharper, and its noise stronger and finer.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pattern = Literal["RGGB", "BGGR", "GRBG", "GBRG"]
"""The colours of the first two rows' first two pixels, row by row."""
Method = Literal["bilinear", "malvar"]

# Each kernel guesses one colour from the raw values around a pixel. Where that colour lies gives the kernel its name: on all
# four sides (green at red or blue), in the same row or column (red or blue at green), at the corners (red at blue, or blue at
# red).
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
    """What the filter lets through: (H, W, 3) → (H, W), one colour a pixel."""
    raw = np.empty(picture.shape[:2], picture.dtype)
    for row, column in np.ndindex(2, 2):
        raw[row::2, column::2] = picture[row::2, column::2, _color(pattern, row, column)]
    return raw


def demosaic(raw: Array, pattern: Pattern, method: Method) -> Array:
    """Guess the two missing colours of each pixel: (H, W) → (H, W, 3) of the same float type, for any H, W ≥ 1.

    Both methods keep constants and linear ramps exactly, save in the two outermost rows and columns, whose missing neighbours
    are mirrored. *malvar* supposes that colours change together, so give it white-balanced values.
    """
    kernels = _KERNELS[method]
    around = np.pad(raw, 2, mode="reflect")  # mirrored without doubling the edge, so that the pattern goes on
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
    """The kernel at every second pixel; `around` starts two pixels above and left of the first of them."""
    height, width = 2 * shape[0], 2 * shape[1]
    total = np.zeros(shape, around.dtype)
    for dy, dx in zip(*np.nonzero(kernel), strict=True):
        total += around.dtype.type(kernel[dy, dx]) * around[dy : dy + height : 2, dx : dx + width : 2]
    return total
