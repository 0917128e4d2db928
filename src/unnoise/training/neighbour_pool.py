"""Crops that bring the same place of a neighbouring frame along, and how much of it shows the same."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.images.pixels import to_unit_float
from unnoise.inference.neighbour_weights import BrightnessMatch, FrameSample, NoiseByBrightness, neighbour_weight
from unnoise.regions import sample_windows
from unnoise.training.image_pool import ImagePool, Pixels
from unnoise.training.noise_pool import measure_noise_of

KEPT_PAIRS = 4096
"""So many pairs of frames stay matched."""


class NeighbourPool(ImagePool):
    """A pool whose crops are (side, side, 3·C) float32 in about 0..1: a frame, a neighbour as bright as the frame, and
    the neighbour's weight in each channel.

    Pairs are matched, and their noise is measured, when their first crop is drawn.

    Args:
        pool: of the noisy pictures, which knows their neighbours.

    Raises:
        UsageError: no picture has a neighbour.
    """

    def __init__(self, pool: ImagePool) -> None:
        super().__init__(pool.pictures, pool.skipped, pool.series)
        near = {index: self.neighbours(index) for index in range(len(self.pictures))}
        self._near = {index: found for index, found in near.items() if found}
        if not self._near:
            raise UsageError(
                "None of these pictures has a neighbour in time or depth; give stacks with their axes, as --axes TYX, or choose "
                "another recipe, such as fine-tune."
            )
        self._usable = np.array(sorted(self._near))
        self._usable_ends = np.cumsum(self.areas[self._usable])
        self._pairs: OrderedDict[tuple[int, int], tuple[BrightnessMatch, NoiseByBrightness]] = OrderedDict()

    def draw_index(self, draw: np.random.Generator) -> int:
        """The number of a random picture that has a neighbour. Large pictures are drawn more often."""
        place = int(np.searchsorted(self._usable_ends, draw.random() * self._usable_ends[-1], side="right"))
        return int(self._usable[min(place, len(self._usable) - 1)])

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        index = self.draw_index(draw)
        other = self._near[index][int(draw.integers(len(self._near[index])))]
        place = int(draw.integers(2**62))
        noisy, near = (to_unit_float(self.crop_of(n, np.random.default_rng(place), side)) for n in (index, other))
        match, noise = self._matched(index, other)
        x, y = _tensor(noisy), _tensor(near)
        weight = neighbour_weight(x, y, match, noise).expand_as(x)
        return np.concatenate([noisy, *(each[0].permute(1, 2, 0).numpy() for each in (match.apply(y), weight))], axis=2)

    def _matched(self, index: int, other: int) -> tuple[BrightnessMatch, NoiseByBrightness]:
        pair = index, other
        if pair not in self._pairs:
            frame, neighbour = (_sample(self.pictures[n]) for n in pair)
            match = BrightnessMatch.between(frame, neighbour)
            found = measure_noise_of(self.pictures[index])
            models = [found.model if found else None] * len(frame.windows)
            self._pairs[pair] = match, NoiseByBrightness.measure(frame, [(neighbour, match)], models, linear=False)
            if len(self._pairs) > KEPT_PAIRS:
                self._pairs.popitem(last=False)
        return self._pairs[pair]


def _sample(picture: Pixels) -> FrameSample:
    """Of a picture of a pool, (H, W, C)."""
    parts = [_tensor(to_unit_float(picture[part]))[0] for part in sample_windows(picture.shape[:2], 256)]
    return FrameSample(torch.stack(parts, dim=1))


def _tensor(pixels: Pixels) -> Tensor:
    """(H, W, C) → (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
