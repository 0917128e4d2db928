"""Crops that bring more noise of their own kind along, drawn anew each time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.images.frames import spread
from unnoise.images.pixels import to_unit_float
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.noise_sampling import channel_correlation, noise_sigma, sample_noise, white_part
from unnoise.regions import RegionSource
from unnoise.training.image_pool import ImagePool, Pixels

COARSE_PIXELS = 8.0
"""Standard deviation of the Gaussian that leaves the noise out where the correlation of channels is measured."""
BRIGHTNESS_PIXELS = 2.0
"""Standard deviation of the Gaussian that tells the brightness of a place, which tells the noise's level there."""
SAMPLE_PICTURES = 16
"""So many pictures are looked at for one whose noise can be measured."""
MIDDLE_PIXELS = 512
"""Side of the part of a picture in which the correlation of channels is measured."""


@dataclass(frozen=True)
class _PictureNoise:
    model: NoiseModel
    channels: Tensor
    """(C, C), how channels correlate."""


class NoisePool(ImagePool):
    """A pool whose crops are (side, side, 2·C) float32 in 0..1: the noisy channels, then as many of noise alone.

    The noise of each picture is measured in the picture, when the first crop of it is drawn. A picture whose noise
    cannot be measured gets that of another one.

    Args:
        pool: of the noisy pictures.

    Raises:
        UsageError: noise can be measured in none of a sample of the pictures.
    """

    def __init__(self, pool: ImagePool) -> None:
        super().__init__(pool.pictures, pool.skipped)
        self._found: dict[int, _PictureNoise | None] = {}
        sample = spread(len(self.pictures), SAMPLE_PICTURES)
        usual = next((found for place in sample if (found := self._measured(place))), None)
        if usual is None:
            raise UsageError(
                "Noise could not be measured in any of these pictures; choose a recipe that does not need its level, "
                "such as tm-bsn-quick."
            )
        self._usual = usual

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        index = self.draw_index(draw)
        noisy = to_unit_float(self.crop_of(index, draw, side))
        source = torch.Generator().manual_seed(int(draw.integers(2**62)))
        found = self._measured(index) or self._usual
        x = _tensor(noisy)
        sigma = noise_sigma(found.model, gaussian_blur(x, BRIGHTNESS_PIXELS))
        extra = sample_noise(found.model, sigma, found.channels, source)[0].permute(1, 2, 0).numpy()
        return np.concatenate([noisy, extra], axis=2)

    def _measured(self, index: int) -> _PictureNoise | None:
        if index not in self._found:
            self._found[index] = measure_noise_of(self.pictures[index])
        return self._found[index]


def measure_noise_of(picture: Pixels) -> _PictureNoise | None:
    """The noise of a picture of a pool, (H, W, C). None: it has none, or it cannot be told from structure."""
    height, width, channels = picture.shape
    middle = tuple(slice((n - min(n, MIDDLE_PIXELS)) // 2, (n + min(n, MIDDLE_PIXELS)) // 2) for n in (height, width))
    part = picture[middle]
    is_grey = channels == 1 or bool((part == part[..., :1]).all())
    measured = picture.dtype.kind == "f" and is_grey  # whole numbers are coded for display
    view = RegionSource((height, width), lambda rows, columns: _tensor(to_unit_float(picture[rows, columns])))
    noise = estimate_noise(view, coded=not measured)
    if noise is None or noise.is_none:
        return None
    x = _tensor(to_unit_float(part))
    return _PictureNoise(white_part(noise) if measured else noise, channel_correlation(x - gaussian_blur(x, COARSE_PIXELS)))


def _tensor(pixels: Pixels) -> Tensor:
    """(H, W, C) → (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
