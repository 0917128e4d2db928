"""Supervised training: the network sees the noisy picture and predicts the clean one. It needs pairs.

Zhang et al., "Beyond a Gaussian Denoiser", IEEE Transactions on Image Processing, 2017 (DnCNN, squared error); Zamir et
al., "Restormer", CVPR 2022 (absolute error); Charbonnier et al., "Two Deterministic Half-Quadratic Regularization
Algorithms", ICIP 1994, whose error Zamir et al., "Learning Enriched Features", ECCV 2020, and others use. It is here as
the mark that methods without clean pictures are measured by.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.schemes.base import Network
from unnoise.schemes.single_pass import SinglePass

Error = Literal["squared", "absolute", "charbonnier"]


class Supervised(SinglePass):
    """The network sees x and predicts the clean y. It restores a picture by one call. Any network will do.

    Example:
        >>> crops = torch.rand(2, 6, 16, 16)  # noisy crops of three channels, and the clean ones
        >>> Supervised(error="absolute").loss(lambda x: x, crops).shape
        torch.Size([])
    """

    needs_targets: ClassVar[bool] = True
    name: Literal["supervised"] = "supervised"
    error: Error = "absolute"
    """*squared*: the mean of the squared differences, whose best result is the mean of all clean pictures that fit.
    *absolute*: that of the absolute ones. *charbonnier*: of √(d² + ε²)."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """ε of the Charbonnier error, in the network's numbers."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean error of the network's result.

        Args:
            network: is given (B, C, H, W).
            noisy: (B, 2·C, H, W), noisy and clean; see `Scheme.needs_targets`.
            generator: not needed.
        """
        seen, clean = noisy.chunk(2, dim=1)
        predicted = network(seen.contiguous(memory_format=torch.channels_last))
        if self.error == "squared":
            return F.mse_loss(predicted, clean)
        if self.error == "absolute":
            return F.l1_loss(predicted, clean)
        return ((predicted - clean).square() + self.epsilon**2).sqrt().mean()
