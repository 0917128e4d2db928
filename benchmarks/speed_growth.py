"""How the time of `speed.py` grows with the number of pixels, from 0.25 to 24 megapixels."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from speed_machine import seconds
from speed_methods import METHODS
from unnoise.inference.chain import Chain
from unnoise.inference.memory import resident_bytes, reuse_freed_memory, trim_memory
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.tiling import Tiling
from unnoise.layers.weight_cache import cached_weights
from unnoise.regions import Region, RegionSource, dilate

ALIKE = 32
"""Tiles are of one kind that differ by fewer pixels."""
MEGAPIXELS = {"0.25": (512, 512), "1": (1024, 1024), "4": (2048, 2048), "12": (3456, 3456), "24": (4000, 6000)}


def growth(options: argparse.Namespace) -> None:
    """Seconds from 0.25 to 24 megapixels, and the exponent of pixels that fits them best.

    On a shared machine a core may be a fifth faster in one minute than in the next. So the smallest picture is timed
    before and after each other, and counts for as much as the machine had slowed down meanwhile. `--sampled` works out
    one tile of each kind.
    """
    for method in options.methods:
        network, scheme, refinement = METHODS[method].build()
        network.to(options.device)
        chain = Chain(network, scheme, InferenceSettings(refinement=refinement))

        def clock(work: Callable[[], object]) -> float:
            return seconds(work, options.device, options.clock)

        def whole(size: tuple[int, int], chain: Chain = chain, clock: Callable[..., float] = clock) -> float:
            noisy = torch.rand(1, 3, *size).to(options.device)
            return clock(lambda: Pipeline(chain.network, chain.scheme, chain.settings).restore(noisy))

        (least, smallest), *others = MEGAPIXELS.items()
        whole(smallest)  # warm up
        around = [whole(smallest)]
        points = [(math.prod(smallest), around[0])]
        print(
            f"{method}  {least} megapixels  {around[0]:.2f} s  {around[0] / math.prod(smallest) * 1e6:.3f} µs a pixel",
            flush=True,
        )
        for name, size in others:
            pixels = math.prod(size)
            if not options.sampled and points[-1][1] * pixels / points[-1][0] > 60 * options.patience:
                break
            took = sampled(chain, size, clock) if options.sampled else whole(size)
            around.append(whole(smallest))
            slower = (around[-2] + around[-1]) / (2 * around[0])
            points.append((pixels, took / slower))
            print(
                f"{method}  {name} megapixels  {took:.2f} s  {took / pixels * 1e6:.3f} µs a pixel; "
                f"{took / pixels / slower * 1e6:.3f} but for the machine, {slower:.2f} times as slow",
                flush=True,
            )
            exponent = np.polyfit(*np.log(np.array(points)).T, 1)[0]
            print(f"{method}  exponent {exponent:.3f}", flush=True)


def sampled(chain: Chain, size: tuple[int, int], clock: Callable[[Callable[[], object]], float]) -> float:
    """Seconds for all tiles of a picture. One tile of each kind is timed. Tiles that read as much are of one
    kind."""
    noisy = torch.rand(1, 3, *size)
    view, tiling = RegionSource.of(noisy), Tiling(chain, size)
    kinds, parts = Counter[tuple[int, ...]](), dict[tuple[int, ...], Region]()
    for tile in _tiles(tiling):
        part = dilate(tile, tiling.ramp, size)
        read = dilate(part, chain.halo, size)
        kind = tuple(round((stretch.stop - stretch.start) / ALIKE) * ALIKE for stretch in (*part, *read))
        kinds[kind] += 1
        parts[kind] = part
    chain.network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    limit, total = resident_bytes() + tiling.retained_bytes, 0.0

    def one(part: Region) -> Tensor:
        result = chain.restore(view, part).cpu()
        trim_memory(limit)
        return result

    with cached_weights(chain.network), reuse_freed_memory(entirely=tiling.reuses_large_blocks):
        for kind, count in kinds.items():
            took = clock(lambda kind=kind: one(parts[kind]))
            total += count * took
            print(
                f"    {count} tiles of about {kind[0]}×{kind[1]}, which read {kind[2]}×{kind[3]}: {took:.2f} s each", flush=True
            )
    return total


def _tiles(tiling: Tiling) -> list[Region]:
    tiles: list[Region] = []
    top = 0
    while top < tiling.size[0]:
        band = tiling.band(top)
        tiles += band
        top = band[0][0].stop
    return tiles
