"""Random numbers that depend on the place in a picture. So a tile gets the same numbers as the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from unnoise.deprecated.module_names import renamed


class PositionalGenerator:
    """A generator of random numbers. Each is a function of the seed, the number of the plane, the row and the column.

    Generators with one seed agree where their regions overlap, if they have drawn equally many planes. It makes no
    difference whether planes are drawn singly or together. All devices give the same numbers.

    Args:
        seed: a whole number.
        top, left: first row and column of the region in the picture, in pixels.

    >>> whole = PositionalGenerator(seed=1).uniform((4, 4))
    >>> tile = PositionalGenerator(seed=1, top=2, left=1).uniform((2, 3))
    >>> bool((whole[2:, 1:] == tile).all())
    True
    """

    def __init__(self, seed: int, top: int = 0, left: int = 0) -> None:
        self.seed, self.top, self.left = seed, top, left
        self._drawn = 0

    def coarser(self, stride: int) -> PositionalGenerator:
        """A new generator for the polyphase components of a region that begins at a multiple of `stride` pixels."""
        return PositionalGenerator(self.seed, self.top // stride, self.left // stride)

    def uniform(self, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """Draw planes, (…, H, W) float32, uniform in [0, 1)."""
        *leading, height, width = shape
        planes, rows, columns = (
            torch.arange(first, first + count, dtype=torch.int32, device=device)
            for first, count in ((self._drawn, prod(leading)), (self.top, height), (self.left, width))
        )
        self._drawn += prod(leading)
        seed = torch.tensor(self.seed & 0x7FFFFFFF, dtype=torch.int32, device=device)
        lines = _hash(_hash(_hash(seed) + planes)[:, None] + rows)  # (planes, H)
        bits = _hash(lines[..., None] + columns)  # (planes, H, W)
        # A float32 holds 24 bits. `>>` copies the sign bit, and the mask removes it.
        return ((bits >> 8) & 0xFFFFFF).to(torch.float32).mul_(2.0**-24).reshape(tuple(shape))


RandomSource = torch.Generator | PositionalGenerator
"""A source of random numbers: a sequence in training, places of the picture at inference."""


def uniform(shape: Sequence[int], source: RandomSource, device: torch.device | str = "cpu") -> Tensor:
    """Draw (…, H, W) float32 on `device`, uniform in [0, 1).

    A `torch.Generator` draws on its own device, so that the numbers do not depend on `device`.

    >>> uniform((1, 2, 3), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(source, PositionalGenerator):
        return source.uniform(shape, device)
    return torch.rand(tuple(shape), generator=source, device=source.device).to(device)


def _hash(x: Tensor) -> Tensor:
    """A bijective hash of 32-bit integers: lowbias32 of Wellons, "Prospecting for Hash Functions", 2018."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16) & 0xFFFF
    return x


__getattr__ = renamed(__name__, {"PlacedDraws": "PositionalGenerator", "Source": "RandomSource"})
