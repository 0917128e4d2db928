"""Restoring pictures of any size in bands of tiles, from top to bottom, in the memory that there is."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from unnoise.denoisers.fused import weights_kept
from unnoise.errors import UnnoiseError
from unnoise.inference.chain import Chain
from unnoise.inference.lit import lit
from unnoise.inference.memory import RETAINED, free_memory, give_back, is_out_of_memory, resident, reused
from unnoise.views import Part, View

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all."""

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


def restore_bands(chain: Chain, views: Sequence[View], progress: Progress | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Restore N pictures of one size, band by band, and keep their light where `chain.settings` ask for it.

    A tile that does not fit into memory is tried again at half the side, down to `SMALLEST`.

    Args:
        chain: how.
        views: of the pictures, each as `Chain.restore` takes it.
        progress: called after each tile.

    Yields:
        Rows, each once and in order, and their values (N, C, rows, W), float32 in about 0..1, on the network's device if that is
        an NVIDIA GPU, else on the CPU.

    Raises:
        UnnoiseError: when memory does not suffice for the smallest tile.
    """
    bands = _bands(chain, views, progress)
    return lit(chain.settings.light, views, bands) if chain.settings.light else bands


def _bands(chain: Chain, views: Sequence[View], progress: Progress | None) -> Iterator[tuple[slice, Tensor]]:
    """What the network makes of them."""
    height, width = views[0].size
    network = chain.network
    was_training = network.training
    network.eval()
    if not all(x.is_contiguous(memory_format=torch.channels_last) for x in network.parameters() if x.dim() == 4):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # even where nothing is left to do it takes milliseconds
    try:
        side = _up(chain.settings.tile or _side(chain, views[0].size), chain.step)
        ramp = 0 if chain.is_finite else min(RAMP, side // 2)
        top, done = 0, 0
        retained, roomy = _kept_by_tiles(chain, (_even(height, side, 1), _even(width, side, 1)), (height, width))
        limit = resident() + retained
        unfinished: Tensor | None = None
        while top < height:
            # Of about one size each, so that memory fits again, and none is little else than halo.
            down, across = (_up(_even(length, side, 2 * ramp), chain.step) for length in (height - top, width))
            bottom = min(top + down, height)
            tiles = [(slice(top, bottom), slice(left, min(left + across, width))) for left in range(0, width, across)]
            total = done + len(tiles) * len(views) * (1 + -(-(height - bottom) // down))
            after = _AfterTile(progress, done, total, limit)
            with weights_kept(network), reused(entirely=roomy):
                band = _band(chain, views, tiles, ramp, unfinished, after)
            if band is None:
                side = _halved(side, max(SMALLEST, 2 * ramp), chain)
                continue
            done = after.done
            first, last = max(top - ramp, 0), height if bottom == height else bottom - ramp
            unfinished = band[..., last - first :, :].clone()
            yield slice(first, last), band[..., : last - first, :]
            del band  # before the next one is made
            top = bottom
            if top < height:
                give_back(limit)  # what was done with the band left its own pieces
    finally:
        network.train(was_training)


class _AfterTile:
    """Counts the tiles of a band, on from those of the bands before, and gives memory back where the process holds more than `limit`."""

    def __init__(self, progress: Progress | None, done: int, total: int, limit: int) -> None:
        self.progress, self.done, self.total, self.limit = progress, done, total, limit

    def __call__(self) -> None:
        self.done += 1
        if self.total > 1:
            give_back(self.limit)
        if self.progress:
            self.progress(self.done, self.total)


@torch.inference_mode()
def _band(
    chain: Chain, views: Sequence[View], tiles: Sequence[Part], ramp: int, unfinished: Tensor | None, after: _AfterTile
) -> Tensor | None:
    """The rows of `tiles` and, where the picture goes on, `ramp` more above and below, (N, C, rows, W); None: out of memory.

    Tiles are weighted by ramps, and what the band above has added to the first rows is `unfinished`.
    """
    height, width = views[0].size
    rows = _widened(tiles[0][0], ramp, height)
    try:
        band: Tensor | None = None
        for tile in tiles:
            place = rows, _widened(tile[1], ramp, width)
            for number, view in enumerate(views):
                restored = chain.restore(view, place)[0]  # (C, rows, columns)
                if restored.device.type != "cuda":  # there the light is kept faster too; other devices may lack what that takes
                    restored = restored.cpu()
                if band is None:
                    band = restored.new_zeros(len(views), len(restored), rows.stop - rows.start, width)
                if ramp:
                    for axis, length in enumerate((height, width)):
                        restored = restored * _weights(tile[axis], ramp, length).to(restored.device).unsqueeze(1 - axis)
                    band[number, :, :, place[1]] += restored
                else:
                    band[number, :, :, place[1]] = restored
                del restored
                after()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    assert band is not None
    if unfinished is not None:
        band[..., : unfinished.shape[-2], :] += unfinished
    return band


def _weights(stretch: slice, ramp: int, length: int) -> Tensor:
    """Of a tile's widened rows or columns: one, and raised cosines around the borders with other tiles; these add up to one."""
    wide = _widened(stretch, ramp, length)
    weights = torch.ones(wide.stop - wide.start)
    if ramp:
        places = torch.arange(wide.start, wide.stop)
        for border, sign in ((stretch.start, 1), (stretch.stop, -1)):
            if 0 < border < length:
                t = ((places + 0.5 - border) * sign / ramp).clamp(-1, 1)
                weights *= (1 + torch.sin(t * (math.pi / 2))) / 2
    return weights


def _widened(stretch: slice, by: int, length: int) -> slice:
    return slice(max(stretch.start - by, 0), min(stretch.stop + by, length))


def _side(chain: Chain, size: tuple[int, int]) -> int:
    """The side of the tiles' cores that suits the picture, the network and the free memory."""
    pixels, longest = math.prod(size), max(size)
    if pixels <= SMALL:
        return longest
    usable = SHARE * free_memory(chain.device)

    def taken(core: int) -> float:
        return chain.bytes_for(core**2, (core + 2 * chain.halo) ** 2, whole=False)

    if chain.is_finite:
        # A core of four halos keeps what is computed twice within about the core's own work.
        wide = max(
            taken(4 * chain.halo), min(AMPLE[chain.device.type], taken(round(_halos(chain.network.halo_cost) * chain.halo)))
        )
        usable = min(usable, max(ENOUGH[chain.device.type], wide))
    if chain.bytes_for(pixels, pixels, whole=True) <= usable and (chain.is_finite or pixels <= WHOLE):
        return longest
    cores = range(SMALLEST, (longest if chain.is_finite else SIDE) + 1)
    return cores[max(0, bisect_right(cores, usable, key=taken) - 1)]


def _kept_by_tiles(chain: Chain, core: tuple[int, int], size: tuple[int, int]) -> tuple[int, bool]:
    """Freed bytes that may stay from tile to tile, and whether large pieces may, which take some times the memory of a tile.

    As many bytes as one tile takes, where the next one then still finds its own. Pictures in one piece have no next tile, and are small.
    """
    if core == size:
        return RETAINED, True
    read = math.prod(min(inner + 2 * chain.halo, length) for inner, length in zip(core, size, strict=True))
    taken, usable = chain.bytes_for(math.prod(core), read, whole=False), SHARE * free_memory(chain.device)
    return max(RETAINED, int(min(taken, usable / 2))), TIMES * taken < usable


def _halos(cost: float) -> float:
    """The halos in a core that keep what is computed twice within `TWICE`, where their pixels cost so much of what the core's do."""
    return 2 / (math.sqrt(1 + TWICE / cost) - 1)


def _even(length: int, most: int, least: int) -> int:
    """The smallest side, but for `least`, by which tiles cover the length in as few as by those of a side of `most`."""
    return max(least, -(-length // -(-length // most)))


def _halved(side: int, smallest: int, chain: Chain) -> int:
    """The next smaller side. Raises `UnnoiseError` where there is none."""
    half = _up(max(side // 2, smallest), chain.step)
    if half >= side:
        raise UnnoiseError(
            f"Memory does not suffice even for tiles of {side} pixels; close other programs, or take a smaller model or device cpu."
        )
    if chain.device.type == "cuda":
        torch.cuda.empty_cache()
    return half


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
