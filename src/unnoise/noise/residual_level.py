"""The noise level of a picture at each brightness, measured in what a restoration has removed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.noise.residual_noise import interpolate, noise_level, power_ratio
from unnoise.regions import sample_windows

WINDOW_PIXELS = 96
"""Side in pixels of the windows in which the noise of large pictures is measured. There are at most nine."""
SAMPLE_PIXELS = 4096
"""About this many pixels are sampled to find the range of brightness."""
KNOT_COUNT = 64
"""Points of a curve. Between them it is linear."""


@dataclass(frozen=True)
class ResidualLevel:
    """The standard deviation of a residual's noise by brightness, for each channel.

    >>> clean = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    >>> noisy = clean + 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> level = ResidualLevel.measure(noisy, clean).at(clean)
    >>> bool((level.mean() - 0.1).abs() < 0.02)
    True
    """

    brightness: Tensor
    """(C, KNOT_COUNT), rising."""
    sigma: Tensor
    """(C, KNOT_COUNT)."""

    @classmethod
    def measure(cls, noisy: Tensor, restored: Tensor) -> ResidualLevel:
        """Measure the level.

        The level in the quieter places alone is too low. By how much is found on synthetic noise that is made from the
        residual, and so has a known level.

        Args:
            noisy, restored: (1, C, H, W) in 0..1.
        """
        residual = noisy - restored
        level = noise_level(residual, restored)
        short = power_ratio(residual, level, restored, torch.Generator().manual_seed(0)).sqrt()
        step = max(1, restored[0, 0].numel() // SAMPLE_PIXELS)
        values, levels = (x.flatten(2)[0, :, ::step] for x in (restored, level))  # (C, N)
        order = values.argsort(-1)
        picked = order[:, torch.linspace(0, order.shape[1] - 1, KNOT_COUNT).round().long()]  # (C, KNOT_COUNT)
        return cls(values.gather(1, picked), levels.gather(1, picked) * short)

    @classmethod
    def in_windows(cls, noisy: Tensor, restored: Tensor) -> ResidualLevel:
        """The same, for large pictures in windows of `WINDOW_PIXELS`."""
        found = sample_windows((noisy.shape[-2], noisy.shape[-1]), WINDOW_PIXELS)
        return cls.measure(*(torch.cat([x[..., rows, columns] for rows, columns in found], dim=-1) for x in (noisy, restored)))

    def at(self, restored: Tensor) -> Tensor:
        """The level at each pixel, (B, C, H, W) → the same shape."""
        values = restored.transpose(0, 1).flatten(1).contiguous()  # (C, B·H·W)
        level = interpolate(values, self.brightness, self.sigma)
        channels, (count, _, height, width) = restored.shape[1], restored.shape
        return level.reshape(channels, count, height, width).transpose(0, 1)  # (B, C, H, W)
