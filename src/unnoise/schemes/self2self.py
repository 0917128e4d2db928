"""Self2Self: a network with dropout learns from one picture, of which random values are hidden in each step.

Quan et al., "Self2Self With Dropout: Learning Self-Supervised Denoising From Single Image", CVPR 2020.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.self2self_unet import DropoutNetwork, Self2SelfUNet
from unnoise.errors import UsageError
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network
from unnoise.schemes.masked_average import MaskedAverage
from unnoise.schemes.multi_mask import generator_or_default


class Self2Self(MaskedAverage):
    """The squared error at the hidden values; the mean of many passes with other masks and other dropout.

    Example:
        >>> network = Self2SelfUNet(width=6)
        >>> Self2Self().loss(network, torch.rand(1, 3, 32, 32)).shape
        torch.Size([])
    """

    name: Literal["self2self"] = "self2self"
    visible: Annotated[float, Field(gt=0, lt=1)] = 0.7
    predictions: Annotated[int, Field(ge=1, le=1000)] = 100

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, Self2SelfUNet):
            known = denoisers.names_of(Self2SelfUNet)
            raise UsageError(
                f"The scheme needs a network with partial convolutions and dropout, which {denoiser.__name__} is not; take "
                f"the denoiser {', '.join(known)}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Σ ((1 − m) ⊙ (f(m ⊙ y) − y))² / Σ (1 − m), the paper's Eq. 5."""
        draws = generator_or_default(generator)
        visible = self.mask(noisy, draws)
        hidden = 1 - visible
        predicted = cast(DropoutNetwork, network)(noisy * visible, visible, draws)
        return ((predicted - noisy).square() * hidden).sum() / hidden.sum().clamp(min=1)

    def predict(self, network: Network, noisy: Tensor, generator: RandomSource) -> Tensor:
        visible = self.mask(noisy, generator)
        return cast(DropoutNetwork, network)(noisy * visible, visible, generator)
