"""How strong a picture's noise is at each brightness, told by what a restoration took away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.noise.residual_noise import interpolate, noise_level, power_ratio
from unnoise.regions import sample_windows

WINDOW_PIXELS = 96
"""Side of the windows in which the noise of larger pictures is measured, in pixels; at most nine of them."""
SAMPLE_PIXELS = 4096
"""So many pixels, about, tell which brightness there is."""
KNOT_COUNT = 64
"""Points of a curve; between them it goes in straight lines."""


@dataclass(frozen=True)
class ResidualLevel:
    """The standard deviation of a residual's noise by brightness, channel by channel, in the quieter places of each brightness."""

    brightness: Tensor
    """(C, KNOTS), rising."""
    sigma: Tensor
    """(C, KNOTS)."""

    @classmethod
    def measure(cls, noisy: Tensor, restored: Tensor) -> ResidualLevel:
        """From (1, C, H, W) each, in 0..1.

        The quieter places alone would tell too little: how much too little is found by measuring noise of the same kind that
        was made from the residual, of which the level is known.
        """
        residual = noisy - restored
        level = noise_level(residual, restored)
        short = power_ratio(residual, level, restored, torch.Generator().manual_seed(0)).sqrt()
        step = max(1, restored[0, 0].numel() // SAMPLE_PIXELS)
        values, levels = (x.flatten(2)[0, :, ::step] for x in (restored, level))  # (C, N)
        order = values.argsort(-1)
        picked = order[:, torch.linspace(0, order.shape[1] - 1, KNOT_COUNT).round().long()]  # (C, KNOTS)
        return cls(values.gather(1, picked), levels.gather(1, picked) * short)

    @classmethod
    def in_windows(cls, noisy: Tensor, restored: Tensor) -> ResidualLevel:
        """The same, of large pictures in windows of `WINDOW_PIXELS`."""
        found = sample_windows((noisy.shape[-2], noisy.shape[-1]), WINDOW_PIXELS)
        return cls.measure(*(torch.cat([x[..., rows, columns] for rows, columns in found], dim=-1) for x in (noisy, restored)))

    def at(self, restored: Tensor) -> Tensor:
        """The level in each pixel, (B, C, H, W) → the same."""
        values = restored.transpose(0, 1).flatten(1).contiguous()  # (C, B·H·W)
        level = interpolate(values, self.brightness, self.sigma)
        channels, (count, _, height, width) = restored.shape[1], restored.shape
        return level.reshape(channels, count, height, width).transpose(0, 1)  # (B, C, H, W)
