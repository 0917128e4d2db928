"""Isolated values far from their neighbors, such as hot pixels and cosmic rays. They are left out where noise is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FAR_SIGMAS = 10.0
"""Distance from the neighbors, in standard deviations of the distance from their median, from which on a value is left out."""
FAR_SPREADS = 4.0
"""And in units of how much the four middle ones of the neighbors differ. So peaks and edges stay."""
STRIP_ROWS = 256
"""Rows that are looked at together."""


def without_outliers(plane: Array) -> tuple[Array, float]:
    """Replace isolated far values by the median of their eight neighbors.

    Args:
        plane: (H, W), finite.

    Returns:
        (H, W) of the same type, and the share of pixels that were replaced.

    >>> picture = np.random.default_rng(0).normal(500, 10, (64, 64))
    >>> picture[3::16, 3::16] = 60000
    >>> clean, share = without_outliers(picture)
    >>> bool(clean.max() < 600), round(share * 4096)
    (True, 16)
    """
    height, width = plane.shape
    if min(height, width) < 3:
        return plane, 0.0
    padded = np.pad(plane.astype(np.float64, copy=False), 1, mode="symmetric")
    medians, beyond, spans = np.empty((3, height, width))
    for top in range(0, height, STRIP_ROWS):
        part = padded[top : min(top + STRIP_ROWS, height) + 2]
        views = np.lib.stride_tricks.sliding_window_view(part, (3, 3)).reshape(len(part) - 2, width, 9)
        near = np.sort(np.delete(views, 4, axis=2), axis=2)  # (rows, W, 8)
        here, low, high = views[..., 4], near[..., 2], near[..., 5]  # two neighbors may be outliers themselves
        strip = slice(top, top + len(here))
        medians[strip], spans[strip] = (near[..., 3] + near[..., 4]) / 2, high - low
        beyond[strip] = np.maximum(here - high, low - here)
    spread = 1.4826 * float(np.median(np.abs(plane - medians)))
    if spread == 0:
        return plane, 0.0
    far = (beyond > FAR_SIGMAS * spread) & (beyond > FAR_SPREADS * spans)
    if not far.any():
        return plane, 0.0
    return np.where(far, medians, plane).astype(plane.dtype), float(far.mean())
