"""How strong a picture's noise is at each brightness, told by what a restoration took away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.noise.probe import between, excess, noise_level

KNOTS = 64
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
        short = excess(residual, level, restored, torch.Generator().manual_seed(0)).sqrt()
        order = restored.flatten(2)[0].argsort(-1)  # (C, H·W)
        picked = order[:, torch.linspace(0, order.shape[1] - 1, KNOTS).round().long()]  # (C, KNOTS)
        return cls(restored.flatten(2)[0].gather(1, picked), level.flatten(2)[0].gather(1, picked) * short)

    def at(self, restored: Tensor) -> Tensor:
        """The level in each pixel, (B, C, H, W) → the same."""
        values = restored.transpose(0, 1).flatten(1).contiguous()  # (C, B·H·W)
        level = between(values, self.brightness, self.sigma)
        channels, (count, _, height, width) = restored.shape[1], restored.shape
        return level.reshape(channels, count, height, width).transpose(0, 1)  # (B, C, H, W)
