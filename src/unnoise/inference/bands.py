"""Restoring pictures of any size in bands of tiles, from top to bottom, within the memory that is free.

A band is a row of tiles. A band that runs out of memory is repeated with smaller tiles. Overlapping tiles are blended
by ramps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import device, is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.inference.memory import is_out_of_memory, resident_bytes, reuse_freed_memory, trim_memory
from unnoise.inference.region_restorer import RegionRestorer, restore_several
from unnoise.inference.tiling import Tiling
from unnoise.photometry.array_ops import copy, device_kind
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import Region, RegionSource, dilate_interval

Progress = Callable[[int, int], None]
"""Called with the number of tiles that are done and the number of all tiles."""


def restore_bands(
    chain: RegionRestorer, views: Sequence[RegionSource], progress: Progress | None = None
) -> Iterator[tuple[slice, Any]]:
    """Restore N pictures of one size, band by band.

    If a tile does not fit into memory, its side is halved, down to `tiling.MIN_TILE_PIXELS`.

    Args:
        chain: restores each tile.
        views: the pictures, each as `Chain.restore` takes it.
        progress: called after each tile.

    Yields:
        Rows and their values (N, C, rows, W), float32 in about 0..1. Each row comes once, in order. The values are on
        the network's device if that is an NVIDIA GPU, else on the CPU.

    Raises:
        UnnoiseError: memory does not suffice for the smallest tile.

    >>> import torch
    >>> from unnoise import denoisers, recipes
    >>> from unnoise.inference.chain import Chain
    >>> from unnoise.inference.settings import InferenceSettings
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> chain = Chain(network, recipes.load("ap-bsn").scheme, InferenceSettings(tile=40))
    >>> for rows, values in restore_bands(chain, [RegionSource.of(torch.rand(1, 1, 80, 20))]):
    ...     print(rows, tuple(values.shape))
    slice(0, 40, None) (1, 1, 40, 20)
    slice(40, 80, None) (1, 1, 40, 20)
    """
    height, _ = views[0].size
    top, unfinished = 0, None
    with chain.at_work():
        tiling = Tiling(chain, views[0].size)
        after = _AfterTile(progress, resident_bytes() + tiling.retained_bytes)
        while top < height:
            tiles = tiling.band(top)
            after.expect(tiling.remaining(top) * len(views))
            with chain.in_one_band(), reuse_freed_memory(entirely=tiling.reuses_large_blocks):
                band = _band(chain, views, tiles, tiling.ramp, unfinished, after)
            if band is None:
                tiling.halve()
                continue
            bottom = tiles[0][0].stop
            first, last = max(top - tiling.ramp, 0), height if bottom == height else bottom - tiling.ramp
            unfinished = copy(band[..., last - first :, :])
            yield slice(first, last), band[..., : last - first, :]
            del band  # before the next one is made
            top = bottom
            if top < height:
                trim_memory(after.limit)  # the caller freed memory of its own while it used the band


class _AfterTile:
    """Counts tiles and reports progress. If there are several tiles, also trims memory while the process holds more
    than `limit` bytes."""

    def __init__(self, progress: Progress | None, limit: int) -> None:
        self.progress, self.limit = progress, limit
        self.done = self.total = 0

    def expect(self, more: int) -> None:
        """Set the number of tiles that are still to come. A band that ran out of memory is repeated, and its tiles
        count again."""
        self.total = self.done + more

    def __call__(self) -> None:
        self.done += 1
        if self.total > 1:
            trim_memory(self.limit)
        if self.progress:
            self.progress(self.done, self.total)


def _band(
    chain: RegionRestorer,
    views: Sequence[RegionSource],
    tiles: Sequence[Region],
    ramp: int,
    unfinished: Any | None,
    after: _AfterTile,
) -> Any | None:
    """Restore one band, (N, C, rows, W); None: out of memory.

    The band has the rows of `tiles`, and `ramp` more rows above and below where the picture goes on. Tiles are weighted
    by ramps. `unfinished` holds the contribution of the band above to the first rows."""
    height, width = views[0].size
    rows = dilate_interval(tiles[0][0], ramp, height)
    try:
        band: Any | None = None
        places = [(rows, dilate_interval(tile[1], ramp, width)) for tile in tiles]
        results = restore_several(chain, [(view, place) for place in places for view in views])
        for tile, place in zip(tiles, places, strict=True):
            for number in range(len(views)):
                restored = next(results)[0]  # (C, rows, columns)
                if is_torch_array(restored) and device_kind(restored) != "cuda":
                    restored = restored.cpu()  # bias correction runs on CUDA; other devices may lack its operations
                if band is None:
                    shape = len(views), len(restored), rows.stop - rows.start, width
                    band = array_namespace(restored).zeros(shape, dtype=restored.dtype, device=device(restored))
                if ramp:
                    for axis, length in enumerate((height, width)):
                        weights = convert_like(_ramp_weights(tile[axis], ramp, length), restored)
                        restored = restored * (weights[:, None] if axis == 0 else weights)
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


def _ramp_weights(interval: slice, ramp: int, length: int) -> NDArray[np.float32]:
    """Weights of the rows or columns of a dilated tile, (n,): 1 inside, raised cosines at the borders with other tiles.

    The weights of neighbouring tiles add up to 1.
    """
    wide = dilate_interval(interval, ramp, length)
    weights = np.ones(wide.stop - wide.start, np.float32)
    if ramp:
        places = np.arange(wide.start, wide.stop, dtype=np.float32)
        for border, sign in ((interval.start, 1), (interval.stop, -1)):
            if 0 < border < length:
                t = np.clip((places + 0.5 - border) * sign / ramp, -1, 1)
                weights *= (1 + np.sin(t * (math.pi / 2))) / 2
    return weights
