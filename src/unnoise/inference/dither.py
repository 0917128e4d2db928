"""Rounding restored values to whole numbers so that local means stay: up or down by chance, in proportion."""

from __future__ import annotations

from typing import Any

from unnoise.array_api import array_namespace
from unnoise.inference.stores import Store
from unnoise.rng import PositionalGenerator

EXACT_STEPS = 0.02
"""A value this close to a whole number becomes that number: it was one before, or nearly."""


def dither(values: Any, step: float, top: int = 0, seed: int = 0) -> Any:
    """Round to multiples of a step, up with the probability of the rest.

    The random numbers depend on the seed and the place alone, so equal channels and equal pages stay equal.

    Args:
        values: (B, C, H, W).
        step: distance of the multiples.
        top: first row of the values in the picture.
        seed: of the random numbers.

    Returns:
        (B, C, H, W) float32.

    >>> import numpy as np
    >>> round(float(dither(np.full((1, 1, 100, 100), 0.3), 1.0).mean()), 2)
    0.3
    """
    xp = array_namespace(values)
    steps = xp.astype(values, xp.float32) / step
    nearest = xp.round(steps)
    chance = PositionalGenerator(seed, top=top).uniform_like(values.shape[-2:], values)  # (H, W)
    return xp.where(xp.abs(steps - nearest) < EXACT_STEPS, nearest, xp.floor(steps + chance)) * step


class DitheredStore:
    """A store that rounds what it gets by `dither`.

    Args:
        store: takes the rounded values.
        step, seed: as for `dither`.

    >>> from unnoise.inference.stores import TensorStore
    >>> import numpy as np
    >>> store = TensorStore(np.zeros((1, 1, 2, 2)))
    >>> DitheredStore(store, step=1.0).write(slice(0, 2), np.full((1, 1, 2, 2), 3.0))
    >>> float(store.tensor.min()), float(store.tensor.max())
    (3.0, 3.0)
    """

    def __init__(self, store: Store, step: float, seed: int = 0) -> None:
        self.store, self.step, self.seed = store, step, seed

    def read(self, rows: slice, columns: slice) -> Any:
        return self.store.read(rows, columns)

    def write(self, rows: slice, restored: Any) -> None:
        self.store.write(rows, dither(restored, self.step, rows.start, self.seed))

    def copy(self) -> None:
        self.store.copy()
