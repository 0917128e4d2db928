"""Groups of patches, as the estimate of noise ranks them: many small arrays, for which NumPy's own functions cost more than the sums.

Pictures as small as thumbnails have as many groups as large ones, so this is most of what measuring their noise takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Indices = NDArray[np.int64]

SHORT = 1000
"""Shorter arrays are sorted, as that takes fewer calls."""


def median(values: Array) -> Any:
    """The median of an array (N,) without NaN. It equals NumPy's, which takes several times as long.

    >>> float(median(np.array([3.0, 1.0, 2.0, 10.0])))
    2.5
    """
    middle = len(values) // 2
    if len(values) < SHORT:
        ordered = np.sort(values)
        below = ordered[middle - 1]
    else:
        ordered = np.partition(values, middle)  # of one place alone, as that of two takes many times as long
        below = ordered[:middle].max()
    return ordered[middle] if len(values) % 2 else (below + ordered[middle]) / 2


def mean_of_rows(values: Array) -> Array:
    """The mean along the first axis, (N, …) → (…). It equals NumPy's, which takes twice as long for small arrays.

    >>> mean_of_rows(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([2., 3.])
    """
    total: Array = np.add.reduce(values, axis=0)
    total /= values.dtype.type(len(values))
    return total


def least_of_each(values: Array, groups: Sequence[Indices], share: float, at_least: int) -> list[Indices]:
    """The indices of the least values of each group, in rising order.

    Args:
        values: (P,).
        groups: indices into these, each of any length. Groups of one length that follow each other are sorted together.
        share: of a group's members that are taken.
        at_least: so many are taken at least, where the group has them.

    >>> [each.tolist() for each in least_of_each(np.array([5, 1, 2, 9, 0]), [np.array([0, 1]), np.array([2, 3, 4])], 0.5, 1)]
    [[1], [4, 2]]
    """
    taken: list[Indices] = []
    for size, alike in groupby(groups, key=len):
        together = np.stack(list(alike))  # (groups, size)
        order = np.argsort(values[together], axis=1, kind="stable")[:, : max(at_least, round(share * size))]
        taken += list(together[np.arange(len(together))[:, None], order])
    return taken
