"""The blind-spot U-Net of Laine et al.: four half-planes that meet in every pixel but hold none of it.

Laine et al., "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019.

Why it is blind: the trunk sees only the rows at and above a pixel, as every 3×3 convolution is shifted down by a row, and so is
the input of every pooling. One more row of shift at the end takes the pixel's own row away. The image passes in four turns, so
that the half-planes above, below, left and right are each seen once, and 1×1 convolutions join them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.unet import SLOPE, UNet
from unnoise.layers.fused_convolution import can_fuse, convolve_with, weights_of, working_type
from unnoise.layers.partial.halo_crop import LEVELS, deepest_path, everywhere, halved
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.receptive_field import reach_through, window
from unnoise.layers.rotations import in_four_turns, move
from unnoise.layers.weight_cache import prepare_weights
from unnoise.regions import Region


class BlindSpotUNet(UNet):
    """Blind-spot U-Net, (B, channels, H, W) → the same shape, values in [0, 1], strictly blind to each pixel itself.

    Any sides; those that do not divide by 32 are padded with *zeros* and the result is cropped, for a reflection would show a
    pixel near the edge to itself.

    Args:
        channels: of the image.
        features: width of the encoder; the decoder is twice as wide (48 in Laine et al., our default).
    """

    blindness: ClassVar[Blindness] = "strict"
    branches: ClassVar[int] = 4
    halo_relative_cost = 1.0

    def __init__(self, channels: int = 3, features: int = 48) -> None:
        super().__init__(channels, features)

    @property
    def receptive_field_radius(self) -> int:
        """As far as `UNet`'s down and up again, but twice as many rows at each step, all on one side."""
        return reach_through([window(1, -1), *deepest_path(window(2, 0), window(1, 0, 2))], self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple(x, self.size_multiple))[..., :height, :width]

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return Denoiser.forward_region(self, x, region)

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 32."""
        return self._finish(torch.cat(in_four_turns(self._above, x), dim=1), x)  # (B, 4·96, H, W) → (B, channels, H, W)

    def _above(self, x: Tensor) -> Tensor:
        """Features of the rows above each pixel, (B, channels, H, W) → (B, 96, H, W)."""
        y, skips = self._encoded(x, [everywhere(x)[0]])
        skips.insert(0, x)
        for level in range(LEVELS, 0, -1):
            y = self._up(level, y, skips.pop())
        return move(y, direction=0, distance=1)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        layer = self.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        if can_fuse(x):
            weight, bias = prepare_weights(layer, "", working_type(x), lambda: weights_of(layer))
            return convolve_with(x, weight, bias, "leaky_relu", slope=SLOPE, padding=(2, 1))[..., : x.shape[-2], :]
        # Two rows of zeros above, and the rows past the last left out: row i sees rows i − 2 … i.
        x = F.conv2d(x, layer.weight, layer.bias, padding=(2, 1))[..., : x.shape[-2], :]
        return F.leaky_relu(x, SLOPE)  # not in place: it copies the cropped rows together on the way

    def _pool(self, x: Tensor) -> Tensor:
        return halved(move(x, direction=0, distance=1))
