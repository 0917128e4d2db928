"""Random numbers that belong to places of a picture, so that a tile draws what the whole picture draws there."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from unnoise.deprecated.module_names import renamed


class PositionalGenerator:
    """A source of random numbers, each a function of the seed, of how many planes were drawn before it, and of its row and column.

    Two sources of one seed that look at different parts of a picture, and draw equally often, agree wherever the parts overlap;
    whether planes are drawn one at a time or several at once makes no difference. It is the same on every device.
    """

    def __init__(self, seed: int, top: int = 0, left: int = 0) -> None:
        self.seed, self.top, self.left = seed, top, left
        self._drawn = 0

    def coarser(self, stride: int) -> PositionalGenerator:
        """A fresh source for the polyphase components of a part that begins at a multiple of `stride`."""
        return PositionalGenerator(self.seed, self.top // stride, self.left // stride)

    def uniform(self, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """(…, H, W) float32, each value uniform in [0, 1)."""
        *leading, height, width = shape
        planes, rows, columns = (
            torch.arange(first, first + count, dtype=torch.int32, device=device)
            for first, count in ((self._drawn, prod(leading)), (self.top, height), (self.left, width))
        )
        self._drawn += prod(leading)
        seed = torch.tensor(self.seed & 0x7FFFFFFF, dtype=torch.int32, device=device)
        lines = _hash(_hash(_hash(seed) + planes)[:, None] + rows)  # (planes, H)
        bits = _hash(lines[..., None] + columns)  # (planes, H, W)
        # 24 bits are what a float32 holds; `>>` copies the sign, which the mask takes off again.
        return ((bits >> 8) & 0xFFFFFF).to(torch.float32).mul_(2.0**-24).reshape(tuple(shape))


RandomSource = torch.Generator | PositionalGenerator
"""Where random numbers come from: in training one sequence, at inference the places of the picture."""


def uniform(shape: Sequence[int], source: RandomSource, device: torch.device | str = "cpu") -> Tensor:
    """(…, H, W) float32 on `device`, uniform in [0, 1). A generator draws on its own device, so that all others draw the same."""
    if isinstance(source, PositionalGenerator):
        return source.uniform(shape, device)
    return torch.rand(tuple(shape), generator=source, device=source.device).to(device)


def _hash(x: Tensor) -> Tensor:
    """Mix the bits of 32-bit integers, each to another one: Wellons, "Prospecting for Hash Functions", 2018 (lowbias32)."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16) & 0xFFFF
    return x


__getattr__ = renamed(__name__, {"PlacedDraws": "PositionalGenerator", "Source": "RandomSource"})
