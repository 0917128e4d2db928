"""Asymmetric PD for networks that do it themselves, on their features: PUCA and LG-BPN.

Jang et al., "PUCA", NeurIPS 2023; Wang et al., "LG-BPN: Local and Global Blind-Patch Network for Self-Supervised
Real-World Denoising", CVPR 2023. AP-BSN splits the picture and gives the components to the network. These networks
split their features, LG-BPN with other strides in each of its branches.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.staged_network import StagedNetwork, has_stages
from unnoise.errors import UsageError
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, Scheme
from unnoise.schemes.borders import with_reflected_border


class StagedBlindSpot(Scheme):
    """Calls the network's stage for training, restoring and refining.

    Example:
        >>> network = denoisers.create("puca", width=4, encoder_blocks=[1], middle_blocks=1, decoder_blocks=[1])
        >>> StagedBlindSpot().restore(network, torch.rand(1, 3, 9, 8)).shape
        torch.Size([1, 3, 9, 8])
    """

    requires_blind_network = True

    name: Literal["staged-blind-spot"] = "staged-blind-spot"
    border: Annotated[int, Field(ge=0, le=16)] = 0
    """Reflected pixels around the picture in the passes of R³; LG-BPN's code has 2."""

    def check(self, denoiser: type[Denoiser]) -> None:
        if not has_stages(denoiser):
            known = [name for name in denoisers.names() if has_stages(denoisers.lookup(name))]
            raise UsageError(
                f"The scheme leaves PD to the network, and {denoiser.__name__} does none; take one of {', '.join(known)}, "
                "or the scheme pd-blind-spot."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(x) − x|."""
        return F.l1_loss(cast(StagedNetwork, network)(noisy, stage="train"), noisy)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return cast(StagedNetwork, network)(noisy, stage="restore")

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        return with_reflected_border(lambda x: cast(StagedNetwork, network)(x, stage="refine"), mixed, self.border)
