"""Restoring pictures of any size in bands of tiles, from top to bottom, in the memory that there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.chain import Chain
from unnoise.inference.memory import give_back, is_out_of_memory, resident, reused
from unnoise.inference.tiling import Tiling
from unnoise.layers.weight_cache import cached_weights
from unnoise.regions import Region, RegionSource, dilate_interval

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all."""


def restore_bands(
    chain: Chain, views: Sequence[RegionSource], progress: Progress | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Restore N pictures of one size, band by band.

    A tile that does not fit into memory is tried again at half the side, down to `tiling.SMALLEST`.

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
    height, _ = views[0].size
    top, unfinished = 0, None
    with _at_inference(chain.network):
        tiling = Tiling(chain, views[0].size)
        after = _AfterTile(progress, resident() + tiling.retained)
        while top < height:
            tiles = tiling.band(top)
            after.expect(tiling.left(top) * len(views))
            with cached_weights(chain.network), reused(entirely=tiling.is_roomy):
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
                give_back(after.limit)  # what was done with the band left its own pieces


@contextmanager
def _at_inference(network: Denoiser) -> Iterator[None]:
    """While this lasts it is not in training; and it is channels last, which it stays."""
    was_training = network.training
    network.eval()
    if not all(x.is_contiguous(memory_format=torch.channels_last) for x in network.parameters() if x.dim() == 4):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # even where nothing is left to do it takes milliseconds
    try:
        yield
    finally:
        network.train(was_training)


class _AfterTile:
    """Counts tiles, and gives memory back where there are several and the process holds more than `limit` bytes."""

    def __init__(self, progress: Progress | None, limit: int) -> None:
        self.progress, self.limit = progress, limit
        self.done = self.total = 0

    def expect(self, more: int) -> None:
        """So many are still to come. A band that ran out of memory is begun again, and its tiles count once more."""
        self.total = self.done + more

    def __call__(self) -> None:
        self.done += 1
        if self.total > 1:
            give_back(self.limit)
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
    """The rows of `tiles` and, where the picture goes on, `ramp` more above and below, (N, C, rows, W); None: out of memory.

    Tiles are weighted by ramps, and what the band above has added to the first rows is `unfinished`.
    """
    height, width = views[0].size
    rows = dilate_interval(tiles[0][0], ramp, height)
    try:
        band: Tensor | None = None
        for tile in tiles:
            place = rows, dilate_interval(tile[1], ramp, width)
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
    wide = dilate_interval(stretch, ramp, length)
    weights = torch.ones(wide.stop - wide.start)
    if ramp:
        places = torch.arange(wide.start, wide.stop)
        for border, sign in ((stretch.start, 1), (stretch.stop, -1)):
            if 0 < border < length:
                t = ((places + 0.5 - border) * sign / ramp).clamp(-1, 1)
                weights *= (1 + torch.sin(t * (math.pi / 2))) / 2
    return weights
