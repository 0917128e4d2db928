"""The tiles in which a picture is restored: their size, their places, and smaller ones when memory runs out.

All tiles of a picture have about one size. It follows from the free memory, the halo and what the network costs.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import partial

from unnoise.errors import UnnoiseError
from unnoise.inference.memory import RETAINED_BYTES, free_memory
from unnoise.inference.region_restorer import RegionRestorer
from unnoise.regions import Region

SINGLE_TILE_PIXELS = 512 * 512
"""Pictures of up to this many pixels are restored in one piece."""
LARGE_TILE_PIXELS = 2048 * 2048
"""Largest tile of a network with an unbounded receptive field. Larger ones are used only if they take at most
`AMPLE_BYTES`."""
FREE_MEMORY_SHARE = 0.6
"""Share of the free memory that a tile may take."""
ENOUGH_BYTES = {"cpu": 320 * 2**20, "mps": 2**30, "cuda": 8 * 2**30}
"""Bytes of a tile, by device, above which larger tiles save little time. A large halo still justifies more."""
AMPLE_BYTES = {"cpu": 3 * 2**30, "mps": 4 * 2**30, "cuda": 8 * 2**30}
"""Bytes of a tile, by device, up to which tiles grow to reduce repeated work in halos."""
MAX_TILE_BYTES = {"cpu": 7 * 2**30, "mps": 8 * 2**30, "cuda": 32 * 2**30}
"""Most bytes of a tile, by device, for a network with an unbounded receptive field.

Measured with SS-BSN: one tile of 8.5 GB took longer per pixel than its halves with their halos. Fresh memory gets
slower as it grows.
"""
REUSE_FACTOR = 3
"""Large blocks of memory are reused if this many times the bytes of a tile are free. glibc seldom fits a block where
another was."""
REPEATED_WORK_SHARE = 0.125
"""Share of a tile's work that its halo may cost, as long as the tile takes at most `AMPLE_BYTES`."""
RAMP_PIXELS = 32
"""Half the width in pixels over which neighbouring tiles are blended, for a network with an unbounded receptive
field."""
BAND_BYTES = 2**30
"""A row of tiles lies in memory. In very wide pictures tiles have fewer rows for that."""
VALUE_BYTES = 4
MIN_TILE_PIXELS = 16
"""Side of the smallest tile in pixels."""


class Tiling:
    """The tiles of a picture, band by band from top to bottom.

    Args:
        chain: restores the tiles.
        size: height and width of the picture in pixels.

    Attributes:
        max_core: largest height and width of a tile's core in pixels, without its halo.
        ramp: number of pixels by which a tile overlaps the core of each neighbour.
        retained_bytes: freed bytes that the process may keep between tiles: those of one tile, if a second one still
            fits.
        reuses_large_blocks: whether large blocks of memory may be kept too. That takes several times the memory of a
            tile.

    >>> from unnoise import denoisers, recipes
    >>> from unnoise.inference.chain import Chain
    >>> from unnoise.inference.settings import InferenceSettings
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> tiling = Tiling(Chain(network, recipes.load("ap-bsn").scheme, InferenceSettings(tile=40)), (80, 40))
    >>> tiling.band(0), tiling.remaining(0)
    ([(slice(0, 40, None), slice(0, 40, None))], 2)
    """

    def __init__(self, chain: RegionRestorer, size: tuple[int, int]) -> None:
        self.chain, self.size = chain, size
        tile = chain.settings.tile
        height, width = (tile, tile) if tile else sides_for(chain, size)
        self.max_core = _round_up(height, chain.step), _round_up(width, chain.step)
        self.ramp = 0 if chain.is_finite else min(RAMP_PIXELS, min(self.max_core) // 2)
        core = even_side(size[0], self.max_core[0], 1), even_side(size[1], self.max_core[1], 1)
        self.retained_bytes = RETAINED_BYTES
        self.reuses_large_blocks = True  # a picture in one piece is small and has no next tile
        if core != size:
            inner = padded_size(chain, core)
            read = math.prod(
                min(side + 2 * chain.halo, length) for side, length in zip(inner, padded_size(chain, size), strict=True)
            )
            taken, usable = chain.bytes_for(math.prod(inner), read, whole=False), FREE_MEMORY_SHARE * free_memory(chain.device)
            self.retained_bytes = max(RETAINED_BYTES, int(min(taken, usable / 2)))
            self.reuses_large_blocks = REUSE_FACTOR * taken < usable

    def band(self, top: int) -> list[Region]:
        """The tiles that start at row `top`, from left to right."""
        height, width = self.size
        down, across = self._tile(top)
        rows = slice(top, min(top + down, height))
        return [(rows, slice(left, min(left + across, width))) for left in range(0, width, across)]

    def remaining(self, top: int) -> int:
        """The number of tiles that start at row `top` or below."""
        height, width = self.size
        down, across = self._tile(top)
        return -(-(height - top) // down) * -(-width // across)

    def halve(self) -> None:
        """Halve the sides of all further tiles. Raises `UnnoiseError` if they are the smallest already."""
        least = max(MIN_TILE_PIXELS, 2 * self.ramp)
        height, width = (min(side, _round_up(max(side // 2, least), self.chain.step)) for side in self.max_core)
        if (height, width) == self.max_core:
            raise UnnoiseError(
                f"Memory does not suffice even for tiles of {' × '.join(str(side) for side in sorted(set(self.max_core)))} pixels; "
                "close other programs, or take a smaller model or device cpu."
            )
        self.chain.release_memory()
        self.max_core = height, width

    def _tile(self, top: int) -> tuple[int, int]:
        """Height and width of the tiles from row `top` on. Equal sizes let memory be reused, and avoid thin tiles that
        are mostly halo."""
        lengths = self.size[0] - top, self.size[1]
        down, across = (
            _round_up(even_side(length, most, 2 * self.ramp), self.chain.step)
            for length, most in zip(lengths, self.max_core, strict=True)
        )
        return down, across


def sides_for(chain: RegionRestorer, size: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width of a tile's core in pixels for a picture of this size, by the network and the free
    memory."""
    if math.prod(padded_size(chain, size)) <= SINGLE_TILE_PIXELS:
        return size
    usable = FREE_MEMORY_SHARE * free_memory(chain.device)
    if not chain.is_finite:
        return _rectangle_sides(chain, size, usable)
    side = _square_side(chain, size, usable)
    rows = BAND_BYTES // (size[1] * VALUE_BYTES * chain.channels)
    return min(side, max(rows, MIN_TILE_PIXELS)), side


def _square_side(chain: RegionRestorer, size: tuple[int, int], usable: float) -> int:
    """Side of the tiles in pixels for a bounded receptive field: just large enough that halos repeat little work."""
    padded, longest = padded_size(chain, size), max(size)
    pixels = math.prod(padded)

    def taken(core: int) -> float:
        inner, read = (math.prod(min(core + around, side) for side in padded) for around in (0, 2 * chain.halo))
        return chain.bytes_for(inner, read, whole=False)

    # With a core of four halos, the halo costs about as much work as the core.
    least, most = (max(MIN_TILE_PIXELS, round(halos * chain.halo)) for halos in (4, _halos_per_core(chain.halo_relative_cost)))
    wide = max(taken(least), min(AMPLE_BYTES[device_kind_of(chain.device)], taken(most)))
    usable = min(usable, max(ENOUGH_BYTES[device_kind_of(chain.device)], wide))
    if chain.bytes_for(pixels, pixels, whole=True) <= usable:
        return longest
    cores = range(MIN_TILE_PIXELS, longest + 1)
    return cores[max(0, bisect_right(cores, usable, key=taken) - 1)]


def _rectangle_sides(chain: RegionRestorer, size: tuple[int, int], usable: float) -> tuple[int, int]:
    """Sides of the tiles in pixels for an unbounded receptive field: the tiles that fit into memory and overlap the
    least.

    Such a network restores a whole picture best. Large tiles come nearest to that.
    """
    around, padded = 2 * (chain.halo + RAMP_PIXELS), padded_size(chain, size)

    def core(rows: int, columns: int) -> tuple[int, int]:
        return -(-size[0] // rows), -(-size[1] // columns)

    def fits(rows: int, columns: int) -> bool:
        inner = padded_size(chain, core(rows, columns))
        pixels, shown = math.prod(inner), math.prod(min(i + around, side) for i, side in zip(inner, padded, strict=True))
        taken = chain.bytes_for(pixels, shown, whole=rows == columns == 1)
        return taken <= min(
            usable, (MAX_TILE_BYTES if pixels <= LARGE_TILE_PIXELS else AMPLE_BYTES)[device_kind_of(chain.device)]
        )

    def read(rows: int, columns: int) -> int:
        return (size[0] + (rows - 1) * around) * (size[1] + (columns - 1) * around)

    most = max(1, size[0] // MIN_TILE_PIXELS), max(1, size[1] // MIN_TILE_PIXELS)
    best = most
    for rows in range(1, most[0] + 1):
        if read(rows, 1) >= read(*best):
            break
        columns = 1 + bisect_left(range(1, most[1] + 1), True, key=partial(fits, rows))
        if columns <= most[1] and read(rows, columns) < read(*best):
            best = rows, columns
    return core(*best)


def padded_size(chain: RegionRestorer, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width in pixels that a network computes at least. A picture of one row is padded to as many as its
    pooling needs, and takes their memory.

    >>> from unnoise import denoisers, recipes
    >>> from unnoise.inference.chain import Chain
    >>> from unnoise.inference.settings import InferenceSettings
    >>> network = denoisers.create("unet", channels=1)
    >>> padded_size(Chain(network, recipes.load("amsnet-quick").scheme, InferenceSettings()), (1, 100))
    (32, 100)
    """
    height, width = (max(side, chain.size_multiple) for side in size)
    return height, width


def even_side(length: int, most: int, least: int) -> int:
    """The smallest side that covers the length with as few tiles as the side `most` does; at least `least`. All in
    pixels.

    >>> even_side(100, most=40, least=1)
    34
    """
    return max(least, -(-length // -(-length // most)))


def _halos_per_core(cost: float) -> float:
    """The side of a core in halos at which the halo costs `REPEATED_WORK_SHARE` of the work.

    Args:
        cost: work for a pixel of the halo divided by that for a pixel of the core.
    """
    return 2 / (math.sqrt(1 + REPEATED_WORK_SHARE / cost) - 1)


def _round_up(value: int, multiple: int) -> int:
    """`value` rounded up to a multiple."""
    return -(-value // multiple) * multiple


def device_kind_of(device: object) -> str:
    """The kind of device without its number.

    >>> device_kind_of("cuda:1")
    'cuda'
    """
    return str(device).partition(":")[0]
