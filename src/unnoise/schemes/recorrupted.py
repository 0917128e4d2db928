"""Recorrupted-to-Recorrupted (R2R): from one noisy picture two that are noisier, whose noises are independent.

Pang, Zheng, Quan and Ji, "Recorrupted-to-Recorrupted: Unsupervised Deep Learning for Image Denoising", CVPR 2021. With
more noise z of the picture's own kind, x + αz and x − z/α have noises that are uncorrelated. So a network that predicts
the second from the first learns the picture and none of the noise, as from two exposures. It need not be blind, so any
trained network can learn on. The noise must be known; here it is measured in the picture itself.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PrivateAttr
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.schemes.base import Network, TeacherLoader
from unnoise.schemes.single_pass import SinglePass


class Recorrupted(SinglePass):
    """The network sees x + αz and predicts x − z/α. It restores a picture by one call.

    Example:
        >>> crops = torch.rand(2, 2, 16, 16)  # noisy crops of one channel, and as much of their noise
        >>> Recorrupted().loss(lambda x: x, crops).shape
        torch.Size([])
    """

    adds_noise: ClassVar[bool] = True
    name: Literal["recorrupted"] = "recorrupted"
    alpha: Annotated[float, Field(gt=0, le=10)] = 0.5
    """α. The smaller it is, the more the input is like a noisy picture, and the noisier is the target."""

    _black: float = PrivateAttr(0.0)

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """Note the network's black: noise has no black."""
        bound = self.model_copy()
        bound._black = network.value_range[0]
        return bound

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean squared difference of the network's result for x + αz from x − z/α.

        Args:
            network: is given (B, C, H, W).
            noisy: (B, 2·C, H, W), x and z; see `Scheme.adds_noise`.
            generator: not needed, as z is given.
        """
        noisy, extra = noisy.chunk(2, dim=1)
        extra = extra - self._black
        seen = (noisy + self.alpha * extra).contiguous(memory_format=torch.channels_last)
        return F.mse_loss(network(seen), noisy - extra / self.alpha)
