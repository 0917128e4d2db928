"""The base class of classical denoisers. Pipeline, tiles and files treat them like networks."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.classical.noise import Noise, measure
from unnoise.errors import UnnoiseWarning
from unnoise.regions import RegionSource

ROUNDING = 1e-5
"""Channels that differ by less are the same, but for how their values were computed."""


class ClassicalDenoiser(Denoiser):
    """A denoiser without weights, for pictures of any number of channels, values in [0, 1].

    Subclasses write `estimate`. A grey picture that comes as three equal channels is restored as one.

    Example:
        >>> class Identity(ClassicalDenoiser):
        ...     def estimate(self, noisy, noise):
        ...         return noisy
        >>> Identity()(torch.rand(1, 3, 20, 30)).shape, Identity().parameter_count()
        (torch.Size([1, 3, 20, 30]), 0)
    """

    is_trained: ClassVar[bool] = False

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.sizes = {"channels": channels}
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)  # tells the device, as weights of networks do

    @abstractmethod
    def estimate(self, noisy: Tensor, noise: Noise) -> Tensor:
        """The restored picture, (C, H, W) float32 → (C, H, W), for any H, W ≥ 1."""

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """The restored pictures, (B, C, H, W) → (B, C, H, W).

        Args:
            x: the noisy pictures.
            noise: their noise; None: it is measured in each picture. Where it cannot be told, the picture stays as it is
                and a warning says so.
        """
        with torch.autocast(x.device.type, enabled=False):
            return torch.stack([self._restore(picture.float(), noise) for picture in x]).to(x.dtype)

    def _restore(self, noisy: Tensor, noise: Noise | None) -> Tensor:
        noise = noise or measure(RegionSource.of(noisy[None]))
        if noise is None:
            warnings.warn("No noise could be told from structure, so the picture stays as it is.", UnnoiseWarning, stacklevel=4)
            return noisy
        if not bool((noise.sigma > 0).any()):
            return noisy
        if len(noisy) == 3 and float((noisy[1:] - noisy[:1]).abs().max()) < ROUNDING:
            return self.estimate(noisy[:1], noise.of_channel(0)).expand(3, -1, -1)
        return self.estimate(noisy, noise)
