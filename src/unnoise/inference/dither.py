"""Rounding restored values to whole numbers so that local means stay: up or down by chance, in proportion."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.inference.stores import Store
from unnoise.rng import PositionalGenerator

EXACT_STEPS = 0.02
"""A value this close to a whole number becomes that number: it was one before, or nearly."""


def dither(values: Tensor, step: float, top: int = 0, seed: int = 0) -> Tensor:
    """Round to multiples of a step, up with the probability of the rest.

    The random numbers depend on the seed and the place alone, so equal channels and equal pages stay equal.

    Args:
        values: (B, C, H, W).
        step: distance of the multiples.
        top: first row of the values in the picture.
        seed: of the random numbers.

    Returns:
        (B, C, H, W) float32.

    >>> round(dither(torch.full((1, 1, 100, 100), 0.3), 1.0).mean().item(), 2)
    0.3
    """
    steps = values.to(torch.float32) / step
    nearest = steps.round()
    chance = PositionalGenerator(seed, top=top).uniform(values.shape[-2:], values.device)  # (H, W)
    return torch.where((steps - nearest).abs() < EXACT_STEPS, nearest, (steps + chance).floor()) * step


class DitheredStore:
    """A store that rounds what it gets by `dither`.

    Args:
        store: takes the rounded values.
        step, seed: as for `dither`.

    >>> from unnoise.inference.stores import TensorStore
    >>> store = TensorStore(torch.zeros(1, 1, 2, 2))
    >>> DitheredStore(store, step=1.0).write(slice(0, 2), torch.full((1, 1, 2, 2), 3.0))
    >>> store.tensor.unique()
    tensor([3.])
    """

    def __init__(self, store: Store, step: float, seed: int = 0) -> None:
        self.store, self.step, self.seed = store, step, seed

    def read(self, rows: slice, columns: slice) -> Tensor:
        return self.store.read(rows, columns)

    def write(self, rows: slice, restored: Tensor) -> None:
        self.store.write(rows, dither(restored, self.step, rows.start, self.seed))

    def copy(self) -> None:
        self.store.copy()
