"""The noise level of a picture at each brightness, measured in what a restoration has removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from unnoise.array_api import array_namespace
from unnoise.noise.residual_noise import BrightnessBins, interpolate, noise_level, power_ratio
from unnoise.photometry.array_ops import T, concat, take_along_last
from unnoise.regions import sample_windows
from unnoise.rng import sequence_for

WINDOW_PIXELS = 96
"""Side in pixels of the windows in which the noise of large pictures is measured. There are at most nine."""
SAMPLE_PIXELS = 4096
"""About this many pixels are sampled to find the range of brightness."""
KNOT_COUNT = 64
"""Points of a curve. Between them it is linear."""


@dataclass(frozen=True)
class ResidualLevel:
    """The standard deviation of a residual's noise by brightness, for each channel.

    >>> import torch
    >>> clean = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    >>> noisy = clean + 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> level = ResidualLevel.measure(noisy, clean).at(clean)
    >>> bool((level.mean() - 0.1).abs() < 0.02)
    True
    """

    brightness: Any
    """(C, KNOT_COUNT), rising; an array of the kind of the picture."""
    sigma: Any
    """(C, KNOT_COUNT)."""

    @classmethod
    def measure(cls, noisy: T, restored: T) -> ResidualLevel:
        """Measure the level.

        The level in the quieter places alone is too low. By how much is found on synthetic noise that is made from the
        residual, and so has a known level.

        Args:
            noisy, restored: (1, C, H, W) in 0..1.
        """
        xp: Any = array_namespace(noisy, restored)
        residual: Any = noisy - restored
        bins = BrightnessBins.of(restored)
        level = noise_level(residual, restored, bins)
        short = xp.sqrt(power_ratio(residual, level, restored, sequence_for(residual, seed=0), bins))
        channels, height, width = restored.shape[1:]
        step = max(1, height * width // SAMPLE_PIXELS)
        values, levels = (xp.reshape(x, (channels, -1))[:, ::step] for x in (restored, level))  # (C, N)
        order = xp.argsort(values, axis=-1, stable=True)
        places = np.linspace(0, order.shape[1] - 1, KNOT_COUNT, dtype=np.float32).round().astype(np.int64)
        picked = xp.take(order, xp.asarray(places, device=device(order)), axis=1)  # (C, KNOT_COUNT)
        return cls(take_along_last(values, picked), take_along_last(levels, picked) * short)

    @classmethod
    def in_windows(cls, noisy: T, restored: T) -> ResidualLevel:
        """The same, for large pictures in windows of `WINDOW_PIXELS`."""
        found = sample_windows((noisy.shape[-2], noisy.shape[-1]), WINDOW_PIXELS)
        pictures: tuple[Any, Any] = (noisy, restored)
        return cls.measure(*(concat([x[..., rows, columns] for rows, columns in found], axis=-1) for x in pictures))

    def at(self, restored: T) -> T:
        """The level at each pixel, (B, C, H, W) → the same shape."""
        xp: Any = array_namespace(restored)
        count, channels, height, width = restored.shape
        values = xp.reshape(xp.permute_dims(restored, (1, 0, 2, 3)), (channels, -1))  # (C, B·H·W)
        level = xp.reshape(interpolate(values, self.brightness, self.sigma), (channels, count, height, width))
        return xp.permute_dims(level, (1, 0, 2, 3))
