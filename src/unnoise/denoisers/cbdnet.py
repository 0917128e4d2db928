"""CBDNet: a small network estimates the noise level of each pixel, a U-Net removes the noise with its help.

Guo et al., "Toward Convolutional Blind Denoising of Real Photographs", CVPR 2019. Trained on simulated and real pairs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import convolve, run_sequential
from unnoise.layers.output_layer import begin_small, output_convolution
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span

LEVEL_FEATURES = 32
"""Width of the network that estimates the noise level."""


class CBDNet(Denoiser):
    """CBDNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 4,365,382 parameters at its defaults.

    Pooling drops the last row or column of an odd side; the decoder puts zeros in its place, as the published network
    does.

    Args:
        channels: of the image.
        features: width of the first scale; each scale below is twice as wide (64 in the paper).

    Example:
        >>> CBDNet(features=4)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    size_multiple: ClassVar[int] = 4
    """Tiles that begin at its multiples pool the same pixels."""
    minimum_side = 4

    def __init__(self, channels: int = 3, features: int = 64) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "features": features}
        levels = [channels, *[LEVEL_FEATURES] * 4, channels]
        layers: list[nn.Module] = []
        for one, other in pairwise(levels):
            layers += [nn.Conv2d(one, other, 3, padding=1), nn.ReLU(inplace=True)]
        self.fcn = nn.ModuleDict({"fcn": nn.Sequential(*layers)})
        two, four = 2 * features, 4 * features
        self.unet = nn.ModuleDict(
            {
                "inc": _convolutions(2 * channels, features, 2),
                "conv1": _convolutions(features, two, 3),
                "conv2": _convolutions(two, four, 6),
                "up1": nn.ModuleDict({"up": nn.ConvTranspose2d(four, two, 2, stride=2)}),
                "conv3": _convolutions(two, two, 3),
                "up2": nn.ModuleDict({"up": nn.ConvTranspose2d(two, features, 2, stride=2)}),
                "conv4": _convolutions(features, features, 2),
                "outc": nn.ModuleDict({"conv": nn.Conv2d(features, channels, 1)}),
            }
        )

    @property
    def receptive_field_radius(self) -> int:
        """Up from a quarter of the resolution, down to it, and the five convolutions for the level."""
        one, up, pool = kernel_span(1, 1), upsampling_span(), kernel_span(0, 1, 2)
        path = [*[one] * 2, up, *[one] * 3, up, *[one] * 6, pool, *[one] * 3, pool, *[one] * (2 + 5)]
        return receptive_field_radius(path, self.size_multiple)

    def initialize_he(self) -> None:
        """He-normal weights; the last layer begins small."""
        super().initialize_he()
        begin_small(self.unet["outc"]["conv"])  # type: ignore[index]

    def noise_level(self, x: Tensor) -> Tensor:
        """The estimated level, (B, channels, H, W) → the same shape."""
        return run_sequential(self.fcn["fcn"].children(), x)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, max(0, 4 - width), 0, max(0, 4 - height)), mode="replicate")
        full = self._run("inc", torch.cat([x, self.noise_level(x).to(x.dtype)], dim=1))
        half = self._run("conv1", F.avg_pool2d(full, 2))
        y = self._run("conv2", F.avg_pool2d(half, 2))
        y = self._run("conv3", self._up("up1", y, half))
        y = self._run("conv4", self._up("up2", y, full))
        last = self.unet["outc"]["conv"]  # type: ignore[index]
        return (x + output_convolution(last, y, torch.zeros_like(x)))[..., :height, :width]

    def _run(self, name: str, x: Tensor) -> Tensor:
        for layer in self.unet[name].children():
            x = convolve(layer.get_submodule("conv.0"), x, "relu")  # type: ignore[arg-type]
        return x

    def _up(self, name: str, x: Tensor, skip: Tensor) -> Tensor:
        x = self.unet[name]["up"](x)  # type: ignore[index]
        return skip + F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.inc.0.conv.0.weight` (features, 2·C, 3, 3)."""
        first, level = weights.get("unet.inc.0.conv.0.weight"), weights.get("fcn.fcn.0.weight")
        if first is None or level is None:
            return None
        return {"channels": level.shape[1], "features": first.shape[0]}


def _convolutions(channels: int, features: int, number: int) -> nn.Sequential:
    """3×3 convolutions, each with a ReLU, under the published names `N.conv.0`."""
    widths = [channels, *[features] * number]
    return nn.Sequential(
        *(
            nn.Sequential(OrderedDict(conv=nn.Sequential(nn.Conv2d(one, other, 3, padding=1), nn.ReLU(inplace=True))))
            for one, other in pairwise(widths)
        )
    )
