"""Which tiles a picture is restored in: as large as suits the network and the memory that there is, and all of about one size."""

from __future__ import annotations

import math
from bisect import bisect_right

import torch

from unnoise.errors import UnnoiseError
from unnoise.inference.chain import Chain
from unnoise.inference.memory import RETAINED, free_memory
from unnoise.views import Part

SMALL = 512 * 512
"""Pictures of up to so many pixels run in one piece."""
WHOLE = 1_500_000
"""So do, where memory allows, pictures of up to so many pixels if the network sees without bound; the result is then the best."""
SIDE = 2048
"""Core of a tile of larger ones, in pixels, where memory allows."""
SHARE = 0.6
"""Of the free memory, what we take at most."""
ENOUGH = {"cpu": 320 * 2**20, "mps": 2**30, "cuda": 8 * 2**30}
"""Bytes beyond which larger tiles save little, unless the halo is so large that they do."""
AMPLE = {"cpu": 3 * 2**30, "mps": 4 * 2**30, "cuda": 8 * 2**30}
"""Bytes up to which tiles grow so that less of a halo is worked out twice."""
TIMES = 3
"""Large pieces of memory are used again where so many times a tile's are free: glibc seldom fits one where another was."""
TWICE = 0.125
"""Share of a tile's work that may be done a second time for its neighbours, where that takes no more than `AMPLE`."""
RAMP = 32
"""Half of the width in which neighbouring tiles pass into each other if the network sees without bound, in pixels."""
SMALLEST = 16
"""Side of the smallest tile, in pixels."""


class Tiling:
    """The tiles of a picture, band by band from top to bottom.

    Args:
        chain: that restores them.
        size: H and W.

    Attributes:
        ramp: pixels by which a tile reaches into each of its neighbours, and they into it.
        retained: freed bytes that may stay from tile to tile: as many as one tile takes, where the next one then still finds its own.
        is_roomy: whether large pieces of memory may stay too, which takes some times the memory of a tile.
    """

    def __init__(self, chain: Chain, size: tuple[int, int]) -> None:
        self.chain, self.size = chain, size
        self.side = _up(chain.settings.tile or side_for(chain, size), chain.step)
        self.ramp = 0 if chain.is_finite else min(RAMP, self.side // 2)
        core = even(size[0], self.side, 1), even(size[1], self.side, 1)
        self.retained, self.is_roomy = RETAINED, True  # pictures in one piece have no next tile, and are small
        if core != size:
            read = math.prod(min(inner + 2 * chain.halo, length) for inner, length in zip(core, size, strict=True))
            taken, usable = chain.bytes_for(math.prod(core), read, whole=False), SHARE * free_memory(chain.device)
            self.retained, self.is_roomy = max(RETAINED, int(min(taken, usable / 2))), TIMES * taken < usable

    def band(self, top: int) -> list[Part]:
        """The tiles side by side whose first row is `top`."""
        height, width = self.size
        down, across = self._tile(top)
        rows = slice(top, min(top + down, height))
        return [(rows, slice(left, min(left + across, width))) for left in range(0, width, across)]

    def left(self, top: int) -> int:
        """So many tiles begin at `top` or below it."""
        height, width = self.size
        down, across = self._tile(top)
        return -(-(height - top) // down) * -(-width // across)

    def halve(self) -> None:
        """Go on with tiles of half the side. Raises `UnnoiseError` where there are none."""
        half = _up(max(self.side // 2, SMALLEST, 2 * self.ramp), self.chain.step)
        if half >= self.side:
            raise UnnoiseError(
                f"Memory does not suffice even for tiles of {self.side} pixels; "
                "close other programs, or take a smaller model or device cpu."
            )
        if self.chain.device.type == "cuda":
            torch.cuda.empty_cache()
        self.side = half

    def _tile(self, top: int) -> tuple[int, int]:
        """Height and width: of about one size each, so that memory fits again, and none is little else than halo."""
        height, width = self.size
        down, across = (_up(even(length, self.side, 2 * self.ramp), self.chain.step) for length in (height - top, width))
        return down, across


def side_for(chain: Chain, size: tuple[int, int]) -> int:
    """The side of the tiles' cores that suits a picture of that size, the network and the free memory."""
    pixels, longest = math.prod(size), max(size)
    if pixels <= SMALL:
        return longest
    usable = SHARE * free_memory(chain.device)

    def taken(core: int) -> float:
        return chain.bytes_for(core**2, (core + 2 * chain.halo) ** 2, whole=False)

    if chain.is_finite:
        # A core of four halos keeps what is computed twice within about the core's own work.
        least, most = (max(SMALLEST, round(halos * chain.halo)) for halos in (4, _halos(chain.network.halo_cost)))
        wide = max(taken(least), min(AMPLE[chain.device.type], taken(most)))
        usable = min(usable, max(ENOUGH[chain.device.type], wide))
    if chain.bytes_for(pixels, pixels, whole=True) <= usable and (chain.is_finite or pixels <= WHOLE):
        return longest
    cores = range(SMALLEST, (longest if chain.is_finite else SIDE) + 1)
    return cores[max(0, bisect_right(cores, usable, key=taken) - 1)]


def even(length: int, most: int, least: int) -> int:
    """The smallest side, but for `least`, by which tiles cover the length in as few as by those of a side of `most`."""
    return max(least, -(-length // -(-length // most)))


def _halos(cost: float) -> float:
    """The halos in a core that keep what is computed twice within `TWICE`, where their pixels cost so much of what the core's do."""
    return 2 / (math.sqrt(1 + TWICE / cost) - 1)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
