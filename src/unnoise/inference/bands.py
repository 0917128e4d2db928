"""Restoring pictures of any size in bands of tiles, from top to bottom, within the memory that is free.

A band is a row of tiles. A band that runs out of memory is repeated with smaller tiles. Overlapping tiles are blended
by ramps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.chain import Chain
from unnoise.inference.memory import is_out_of_memory, resident_bytes, reuse_freed_memory, trim_memory
from unnoise.inference.tiling import Tiling
from unnoise.layers.weight_cache import cached_weights
from unnoise.regions import Region, RegionSource, dilate_interval

Progress = Callable[[int, int], None]
"""Called with the number of tiles that are done and the number of all tiles."""


def restore_bands(
    chain: Chain, views: Sequence[RegionSource], progress: Progress | None = None
) -> Iterator[tuple[slice, Tensor]]:
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

    >>> from unnoise import denoisers, recipes
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
    with _in_evaluation_mode(chain.network):
        tiling = Tiling(chain, views[0].size)
        after = _AfterTile(progress, resident_bytes() + tiling.retained_bytes)
        while top < height:
            tiles = tiling.band(top)
            after.expect(tiling.remaining(top) * len(views))
            with cached_weights(chain.network), reuse_freed_memory(entirely=tiling.reuses_large_blocks):
                band = _band(chain, views, tiles, tiling.ramp, unfinished, after)
            if band is None:
                tiling.halve()
                continue
            bottom = tiles[0][0].stop
            first, last = max(top - tiling.ramp, 0), height if bottom == height else bottom - tiling.ramp
            unfinished = band[..., last - first :, :].clone()
            yield slice(first, last), band[..., : last - first, :]
            del band  # before the next one is made
            top = bottom
            if top < height:
                trim_memory(after.limit)  # the caller freed memory of its own while it used the band


@contextmanager
def _in_evaluation_mode(network: Denoiser) -> Iterator[None]:
    """Put the network into evaluation mode for a while, and into the memory format channels-last for good."""
    was_training = network.training
    network.eval()
    if not all(x.is_contiguous(memory_format=torch.channels_last) for x in network.parameters() if x.dim() == 4):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # takes milliseconds even if nothing changes
    try:
        yield
    finally:
        network.train(was_training)


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


@torch.inference_mode()
def _band(
    chain: Chain,
    views: Sequence[RegionSource],
    tiles: Sequence[Region],
    ramp: int,
    unfinished: Tensor | None,
    after: _AfterTile,
) -> Tensor | None:
    """Restore one band, (N, C, rows, W); None: out of memory.

    The band has the rows of `tiles`, and `ramp` more rows above and below where the picture goes on. Tiles are weighted
    by ramps. `unfinished` holds the contribution of the band above to the first rows."""
    height, width = views[0].size
    rows = dilate_interval(tiles[0][0], ramp, height)
    try:
        band: Tensor | None = None
        for tile in tiles:
            place = rows, dilate_interval(tile[1], ramp, width)
            for number, view in enumerate(views):
                restored = chain.restore(view, place)[0]  # (C, rows, columns)
                if restored.device.type != "cuda":  # bias correction runs on CUDA; other devices may lack its operations
                    restored = restored.cpu()
                if band is None:
                    band = restored.new_zeros(len(views), len(restored), rows.stop - rows.start, width)
                if ramp:
                    for axis, length in enumerate((height, width)):
                        restored = restored * _ramp_weights(tile[axis], ramp, length).to(restored.device).unsqueeze(1 - axis)
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


def _ramp_weights(interval: slice, ramp: int, length: int) -> Tensor:
    """Weights of the rows or columns of a dilated tile, (n,): 1 inside, raised cosines at the borders with other tiles.

    The weights of neighbouring tiles add up to 1.
    """
    wide = dilate_interval(interval, ramp, length)
    weights = torch.ones(wide.stop - wide.start)
    if ramp:
        places = torch.arange(wide.start, wide.stop)
        for border, sign in ((interval.start, 1), (interval.stop, -1)):
            if 0 < border < length:
                t = ((places + 0.5 - border) * sign / ramp).clamp(-1, 1)
                weights *= (1 + torch.sin(t * (math.pi / 2))) / 2
    return weights
