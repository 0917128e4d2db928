"""Negatives: a network sees them inverted, as the photographs that they were made of.

The noise of a photograph is skewed by the display's curve, and that of a negative is skewed the other way
(`unnoise.noise.noise_bias`). A network that learned from photographs knows the first kind only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource


def positive(view: RegionSource, photometry: Photometry) -> RegionSource:
    """The picture as a network sees it, (1, C, H, W) in 0..1: a negative inverted, others as they are.

    >>> import numpy as np
    >>> view = RegionSource.of(np.full((1, 3, 8, 8), 0.25, np.float32))
    >>> float(positive(view, Photometry(is_negative=True)).read(slice(0, 1), slice(0, 1)).max())
    0.75
    """
    if not photometry.is_negative:
        return view
    return RegionSource(view.size, lambda rows, columns: 1 - view.read(rows, columns))


def with_negatives(bands: Iterable[tuple[slice, Any]], photometry: Sequence[Photometry]) -> Iterator[tuple[slice, Any]]:
    """Restored bands, rows and (N, C, rows, W), with those of negatives inverted again.

    >>> import numpy as np
    >>> bands = [(slice(0, 8), np.full((1, 3, 8, 8), 0.25, np.float32))]
    >>> [float(band.max()) for _, band in with_negatives(bands, [Photometry(is_negative=True)])]
    [0.75]
    """
    if not any(each.is_negative for each in photometry):
        yield from bands
        return
    for rows, band in bands:
        xp = array_namespace(band)
        yield rows, xp.stack([1 - x if each.is_negative else x for x, each in zip(band, photometry, strict=True)])
