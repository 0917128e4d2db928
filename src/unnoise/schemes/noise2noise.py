"""Noise2Noise: the network sees one noisy picture of a scene and predicts another one. It needs pairs of exposures.

Lehtinen et al., "Noise2Noise: Learning Image Restoration without Clean Data", ICML 2018. The noises of two exposures are
independent, so what can be predicted of the second is the scene alone. The mean of the noise must be zero.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.rng import uniform
from unnoise.schemes.base import Network
from unnoise.schemes.single_pass import SinglePass


class Noise2Noise(SinglePass):
    """The network sees one exposure and predicts the other one. It restores a picture by one call.

    Example:
        >>> crops = torch.rand(2, 2, 16, 16)  # crops of one channel, and the same places of other exposures
        >>> Noise2Noise().loss(lambda x: x, crops, torch.Generator()).shape
        torch.Size([])
    """

    needs_targets: ClassVar[bool] = True
    name: Literal["noise2noise"] = "noise2noise"
    exchange: bool = True
    """Whether either exposure may be the one that is seen, at random for each crop. Set it to false where the second
    ones are of another kind, such as longer exposures."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean squared difference of the network's result from the other exposure.

        Args:
            network: is given (B, C, H, W).
            noisy: (B, 2·C, H, W), both exposures; see `Scheme.needs_targets`.
            generator: of the exchanges. None: seed 0.
        """
        seen, other = noisy.chunk(2, dim=1)
        if self.exchange:
            draws = generator if generator is not None else torch.Generator().manual_seed(0)
            swap = (uniform((len(seen), 1, 1, 1), draws) < 0.5).to(seen.device)
            seen, other = torch.where(swap, other, seen), torch.where(swap, seen, other)
        return F.mse_loss(network(seen.contiguous(memory_format=torch.channels_last)), other)
