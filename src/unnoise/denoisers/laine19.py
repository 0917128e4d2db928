"""Laine et al.'s denoiser: four half-planes tell a pixel's mean and covariance, a second network tells the noise.

Laine et al., "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019. The trunk in four rotations is the one
that AT-BSN took over, so it is `ATBSN` at a blind spot of one pixel, with more outputs.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from unnoise.denoisers.atbsn import ATBSN
from unnoise.denoisers.atbsn_unet import AsymmetricUNet
from unnoise.denoisers.padded_unet import PaddedUNet
from unnoise.denoisers.posterior_denoiser import PosteriorDenoiser, positive_deviation
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.gaussian_posterior import GaussianPrior
from unnoise.layers.leaky_convolution import NEGATIVE_SLOPE, initialize_kaiming
from unnoise.layers.partial.halo_crop import full_region
from unnoise.regions import Region

LEAST_MEAN = 1e-3
"""The darkest mean that photon noise is taken from, in 0..1."""


class HalfPlanes(ATBSN):
    """The trunk in four rotations with a given number of outputs, (B, channels, H, W) → (B, outputs, H, W).

    >>> HalfPlanes(3, 4, outputs=9)(torch.rand(1, 3, 9, 7)).shape
    torch.Size([1, 9, 9, 7])
    """

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__(channels, width, blind_spot=1)
        self.nin_C = nn.Conv2d(2 * width, outputs, 1)
        self.initialize_he()

    def residual_base(self, image: Tensor, place: Region) -> Tensor | None:
        """None: the outputs are not all close to the picture."""
        return None


class NoiseNetwork(PaddedUNet):
    """The plain U-Net that tells one number of a picture, (B, channels, H, W) → (B, 1, 1, 1). It begins at zero.

    >>> NoiseNetwork(3, 4)(torch.rand(2, 3, 9, 7)).flatten().tolist()
    [0.0, 0.0]
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.unet = AsymmetricUNet(channels, width, 2 * width, upward=False)
        self.nin_a, self.nin_b = (nn.Conv2d(2 * width, 2 * width, 1) for _ in range(2))
        self.nin_c = nn.Conv2d(2 * width, 1, 1)
        initialize_kaiming(self)
        nn.init.zeros_(self.nin_c.weight)
        nn.init.zeros_(self.nin_c.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = self.forward_region(x, full_region(x))
        for layer in (self.nin_a, self.nin_b):
            y = convolve(layer, y, "leaky_relu", slope=NEGATIVE_SLOPE)
        return self.nin_c(y.mean((2, 3), keepdim=True))


class Laine19(PosteriorDenoiser):
    """(B, channels, H, W) → the posterior's mean, values in [0, 1]. The prior is strictly blind to each pixel itself.

    Args:
        channels: of the image.
        width: of the encoders; the decoders are twice as wide (48 in the paper).
        noise: *image*: a second network tells the noise of each picture; *global*: one number is learned for all.
        style: *gauss*: the noise has one level; *poisson*: its variance grows with the mean.

    Example:
        >>> Laine19(width=4)(torch.rand(1, 3, 33, 20)).shape
        torch.Size([1, 3, 33, 20])
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 48,
        noise: Literal["image", "global"] = "image",
        style: Literal["gauss", "poisson"] = "gauss",
    ) -> None:
        super().__init__()
        if noise not in ("image", "global") or style not in ("gauss", "poisson"):
            raise ValueError(f"noise is image or global and style gauss or poisson, got {noise} and {style}.")
        self.sizes = {"channels": channels, "width": width, "noise": noise, "style": style}
        self.net = HalfPlanes(channels, width, channels + channels * (channels + 1) // 2)
        if noise == "image":
            self.param_estimation_net = NoiseNetwork(channels, width)
        else:
            self.noise_data = nn.Parameter(torch.zeros(1, 1, 1, 1))

    def initialize_he(self) -> None:
        """The draw of the constructor, which is He-normal already."""
        self.net.initialize_he()

    def prior(self, x: Tensor) -> GaussianPrior:
        channels = x.shape[1]
        told = self.net(x)
        mean, factor = told[:, :channels], told[:, channels:]
        estimate = self.param_estimation_net(x) if self.sizes["noise"] == "image" else self.noise_data
        deviation = positive_deviation(estimate).expand(len(x), channels, 1, 1)
        if self.sizes["style"] == "poisson":
            deviation = (mean.clamp_min(LEAST_MEAN) * deviation).sqrt()
        return GaussianPrior(mean, factor, deviation)
