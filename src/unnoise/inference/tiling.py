"""Which tiles a picture is restored in: as large as suits the network and the memory that there is, and all of about one size."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import partial

import torch

from unnoise.errors import UnnoiseError
from unnoise.inference.chain import Chain
from unnoise.inference.memory import RETAINED, free_memory
from unnoise.regions import Region

SMALL = 512 * 512
"""Pictures of up to so many pixels run in one piece."""
LARGE = 2048 * 2048
"""Pixels of a tile for a network that sees without bound, where memory allows; larger ones take no more than `AMPLE`."""
SHARE = 0.6
"""Of the free memory, what we take at most."""
ENOUGH = {"cpu": 320 * 2**20, "mps": 2**30, "cuda": 8 * 2**30}
"""Bytes beyond which larger tiles save little, unless the halo is so large that they do."""
AMPLE = {"cpu": 3 * 2**30, "mps": 4 * 2**30, "cuda": 8 * 2**30}
"""Bytes up to which tiles grow so that less is worked out twice."""
MOST = {"cpu": 7 * 2**30, "mps": 8 * 2**30, "cuda": 32 * 2**30}
"""Bytes of a tile for a network that sees without bound: one of 8.5 GB took more for each pixel than halves of it with their halos
(SS-BSN, measured), as fresh memory comes the slower the more there is of it."""
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
        most: height and width of a tile's core at most.
        ramp: pixels by which a tile reaches into each of its neighbours, and they into it.
        retained: freed bytes that may stay from tile to tile: as many as one tile takes, where the next one then still finds its own.
        is_roomy: whether large pieces of memory may stay too, which takes some times the memory of a tile.
    """

    def __init__(self, chain: Chain, size: tuple[int, int]) -> None:
        self.chain, self.size = chain, size
        tile = chain.settings.tile
        height, width = (tile, tile) if tile else sides_for(chain, size)
        self.most = _up(height, chain.step), _up(width, chain.step)
        self.ramp = 0 if chain.is_finite else min(RAMP, min(self.most) // 2)
        core = even(size[0], self.most[0], 1), even(size[1], self.most[1], 1)
        self.retained, self.is_roomy = RETAINED, True  # pictures in one piece have no next tile, and are small
        if core != size:
            read = math.prod(min(inner + 2 * chain.halo, length) for inner, length in zip(core, size, strict=True))
            taken, usable = chain.bytes_for(math.prod(core), read, whole=False), SHARE * free_memory(chain.device)
            self.retained, self.is_roomy = max(RETAINED, int(min(taken, usable / 2))), TIMES * taken < usable

    def band(self, top: int) -> list[Region]:
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
        """Go on with tiles of half the sides. Raises `UnnoiseError` where there are none."""
        least = max(SMALLEST, 2 * self.ramp)
        height, width = (min(side, _up(max(side // 2, least), self.chain.step)) for side in self.most)
        if (height, width) == self.most:
            raise UnnoiseError(
                f"Memory does not suffice even for tiles of {' × '.join(str(side) for side in sorted(set(self.most)))} pixels; "
                "close other programs, or take a smaller model or device cpu."
            )
        if self.chain.device.type == "cuda":
            torch.cuda.empty_cache()
        self.most = height, width

    def _tile(self, top: int) -> tuple[int, int]:
        """Height and width: of about one size each, so that memory fits again, and none is little else than halo."""
        lengths = self.size[0] - top, self.size[1]
        down, across = (
            _up(even(length, most, 2 * self.ramp), self.chain.step) for length, most in zip(lengths, self.most, strict=True)
        )
        return down, across


def sides_for(chain: Chain, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the tiles' cores, at most, that suit a picture of that size, the network and the free memory."""
    if math.prod(size) <= SMALL:
        return size
    usable = SHARE * free_memory(chain.device)
    if not chain.is_finite:
        return _least_read(chain, size, usable)
    side = _square(chain, size, usable)
    return side, side


def _square(chain: Chain, size: tuple[int, int], usable: float) -> int:
    """For a network of finite reach, which may spare the halo: so large that little is worked out twice, and no larger."""
    pixels, longest = math.prod(size), max(size)

    def taken(core: int) -> float:
        return chain.bytes_for(core**2, (core + 2 * chain.halo) ** 2, whole=False)

    # A core of four halos keeps what is computed twice within about the core's own work.
    least, most = (max(SMALLEST, round(halos * chain.halo)) for halos in (4, _halos(chain.network.halo_relative_cost)))
    wide = max(taken(least), min(AMPLE[chain.device.type], taken(most)))
    usable = min(usable, max(ENOUGH[chain.device.type], wide))
    if chain.bytes_for(pixels, pixels, whole=True) <= usable:
        return longest
    cores = range(SMALLEST, longest + 1)
    return cores[max(0, bisect_right(cores, usable, key=taken) - 1)]


def _least_read(chain: Chain, size: tuple[int, int], usable: float) -> tuple[int, int]:
    """For a network that sees without bound: of all tiles that fit into memory those by which least is read more than once.

    In one piece the result is the best, too, and large tiles come nearer to it.
    """
    around = 2 * (chain.halo + RAMP)

    def core(rows: int, columns: int) -> tuple[int, int]:
        return -(-size[0] // rows), -(-size[1] // columns)

    def fits(rows: int, columns: int) -> bool:
        inner = core(rows, columns)
        pixels, shown = math.prod(inner), math.prod(min(i + around, length) for i, length in zip(inner, size, strict=True))
        taken = chain.bytes_for(pixels, shown, whole=rows == columns == 1)
        return taken <= min(usable, (MOST if pixels <= LARGE else AMPLE)[chain.device.type])

    def read(rows: int, columns: int) -> int:
        return (size[0] + (rows - 1) * around) * (size[1] + (columns - 1) * around)

    most = max(1, size[0] // SMALLEST), max(1, size[1] // SMALLEST)
    best = most
    for rows in range(1, most[0] + 1):
        if read(rows, 1) >= read(*best):
            break
        columns = 1 + bisect_left(range(1, most[1] + 1), True, key=partial(fits, rows))
        if columns <= most[1] and read(rows, columns) < read(*best):
            best = rows, columns
    return core(*best)


def even(length: int, most: int, least: int) -> int:
    """The smallest side, but for `least`, by which tiles cover the length in as few as by those of a side of `most`."""
    return max(least, -(-length // -(-length // most)))


def _halos(cost: float) -> float:
    """The halos in a core that keep what is computed twice within `TWICE`, where their pixels cost so much of what the core's do."""
    return 2 / (math.sqrt(1 + TWICE / cost) - 1)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
