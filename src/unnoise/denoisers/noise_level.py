"""The capability "is told the noise level at each call". A network declares it by `Denoiser.takes_noise_level`."""

from __future__ import annotations

from typing import Protocol, TypeGuard

import torch
from torch import Tensor


class NoiseLevelNetwork(Protocol):
    """What such a network offers beside what every `Denoiser` does."""

    def __call__(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """The restored images, (B, C, H, W) → the same shape.

        Args:
            x: noisy images.
            level: (B,), the standard deviation of each one's white noise in the network's values; None: the network's own.
        """


def takes_noise_level(network: object) -> TypeGuard[NoiseLevelNetwork]:
    """Whether a network, or a network's class, is told the noise level.

    Example:
        >>> from unnoise import denoisers
        >>> takes_noise_level(denoisers.lookup("ffdnet")), takes_noise_level(denoisers.lookup("dncnn"))
        (True, False)
    """
    return bool(getattr(network, "takes_noise_level", False))


def level_map(x: Tensor, level: Tensor | None, own: float) -> Tensor:
    """The level at each pixel as one more channel, (B, 1, H, W).

    Args:
        x: (B, C, H, W), for its shape and type.
        level: (B,); None: `own` counts for all.
        own: the network's own level, in steps of 255.

    Example:
        >>> level_map(torch.zeros(2, 3, 1, 2), torch.tensor([0.1, 0.2]), 25).squeeze(1).tolist()
        [[[0.1..., 0.1...]], [[0.2..., 0.2...]]]
    """
    batch, _, height, width = x.shape
    if level is None:
        return torch.full_like(x[:, :1], own / 255)
    return level.to(x).reshape(-1, 1, 1, 1).expand(batch, 1, height, width)
