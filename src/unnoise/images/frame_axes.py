"""Which axes number the frames of an open file, such as time and depth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from unnoise.images.arrays_on_disk import INSIDE
from unnoise.images.opening import Source

UNKNOWN = "I"
"""The letter of an axis without a name."""


def frame_axes(source: Source) -> tuple[str, tuple[int, ...]]:
    """One letter for each axis that numbers the frames, and their lengths; ('', ()) for a single picture.

    The axes of a TIFF with several pages are those that OME, ImageJ or tifffile wrote into it, if they fit its pages.

    >>> import tempfile
    >>> import numpy as np
    >>> from unnoise import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((5, 2, 8, 9), np.uint8))
    ...     with images.open(f"{folder}/a.npy", axes="TZYX") as source:
    ...         frame_axes(source)
    ('TZ', (5, 2))
    """
    if source.outer is None:
        return "", ()
    if source.letters is not None:
        return source.letters, source.outer
    if source.axes is not None:
        return "".join(letter for letter in source.axes.letters if letter not in INSIDE), source.outer
    return _of_pages(source.path, len(source)) or (UNKNOWN, (len(source),))


def _of_pages(path: Path, count: int) -> tuple[str, tuple[int, ...]] | None:
    """The axes that a TIFF's own words give its pages; None: they give none, or other ones than the pages have."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series: Any = file.series[0]
            letters = "".join(letter for letter in series.axes if letter not in "YXS")
            shape = tuple(size for size, letter in zip(series.shape, series.axes, strict=True) if letter not in "YXS")
            in_order = [page.index for page in series.pages] == list(range(count))
    except Exception:  # no TIFF, or one whose words tifffile does not understand
        return None
    return (letters, shape) if in_order and math.prod(shape) == count else None
