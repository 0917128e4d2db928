"""The network of ZS-N2N: three convolutions that tell the noise.

Mansour and Heckel, "Zero-Shot Noise2Noise: Efficient Image Denoising without any Data", CVPR 2023.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import convolve

NEGATIVE_SLOPE = 0.2


class ZSN2NNetwork(Denoiser):
    """Two 3×3 convolutions and one of 1×1; the result is taken from the picture. Values in [0, 1]. 22,275 parameters.

    Example:
        >>> import torch
        >>> network = ZSN2NNetwork()
        >>> network(torch.rand(1, 3, 5, 7)).shape, network.parameter_count()
        (torch.Size([1, 3, 5, 7]), 22275)
    """

    he_gain: ClassVar[float] = 2 / (1 + NEGATIVE_SLOPE**2)

    def __init__(self, channels: int = 3, features: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "features": features}
        self.conv1 = nn.Conv2d(channels, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv3 = nn.Conv2d(features, channels, 1)

    @property
    def receptive_field_radius(self) -> int:
        return 2

    def forward(self, x: Tensor) -> Tensor:
        y = convolve(self.conv1, x, "leaky_relu", slope=NEGATIVE_SLOPE)
        y = convolve(self.conv2, y, "leaky_relu", slope=NEGATIVE_SLOPE)
        return x - self.conv3(y)
