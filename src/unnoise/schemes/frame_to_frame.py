"""Frame-to-frame training: a frame of a series learns to predict the next one, where both show the same.

Ehret, Davy, Morel, Facciolo and Arias, "Model-Blind Video Denoising via Frame-to-Frame Training", CVPR 2019, after
Lehtinen et al., "Noise2Noise", ICML 2018. The noises of two frames are independent, so a network that predicts one from
the other learns the scene and none of the noise. Nothing need be known of the noise. Where something has moved or
changed, the neighbour is no target; see `inference.neighbour_weights`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import torch
from pydantic import PrivateAttr
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.schemes.base import Network, TeacherLoader
from unnoise.schemes.single_pass import SinglePass

LEAST_WEIGHT_SHARE = 1e-3
"""Of all pixels. A batch in which fewer are alike hardly changes the network."""


class FrameToFrame(SinglePass):
    """The network sees a frame and predicts its neighbour. It restores a picture by one call.

    Example:
        >>> crops = torch.rand(2, 3, 16, 16)  # crops of one channel, the same of a neighbour, and its weight
        >>> FrameToFrame().loss(lambda x: x, crops).shape
        torch.Size([])
    """

    needs_neighbours: ClassVar[bool] = True
    name: Literal["frame-to-frame"] = "frame-to-frame"

    _range: tuple[float, float] = PrivateAttr((0.0, 1.0))

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """Note the network's black and white: weights are given in these."""
        bound = self.model_copy()
        bound._range = network.value_range
        return bound

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean squared difference of the network's result from the neighbour, weighted.

        Args:
            network: is given (B, C, H, W).
            noisy: (B, 3·C, H, W): frame, neighbour and weights; see `Scheme.needs_neighbours`.
            generator: not needed.
        """
        frame, neighbour, weight = noisy.chunk(3, dim=1)
        black, white = self._range
        weight = (weight - black) / (white - black)
        predicted = network(frame.contiguous(memory_format=torch.channels_last))
        total = weight.sum().clamp(min=LEAST_WEIGHT_SHARE * weight.numel())
        return (weight * (predicted - neighbour).square()).sum() / total
