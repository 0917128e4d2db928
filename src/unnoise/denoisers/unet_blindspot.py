"""The blind-spot U-Net of Laine et al.: four half-planes that border on every pixel but hold none of it.

Laine et al., "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019.

Why it is blind: every 3×3 convolution, and the input of every pooling, is shifted down by a row. So the trunk depends
only on the rows at and above a pixel. One more row of shift at the end removes the pixel's own row. The trunk runs on
the picture in four rotations, once for each half-plane, and 1×1 convolutions combine the results.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.unet import NEGATIVE_SLOPE, UNet
from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve_with_weights, effective_weights
from unnoise.layers.partial.halo_crop import POOLING_LEVELS, deepest_path, full_region, max_pool
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius
from unnoise.layers.rotations import run_in_four_rotations, shift
from unnoise.layers.weight_cache import prepare_weights
from unnoise.regions import Region


class BlindSpotUNet(UNet):
    """Blind-spot U-Net, (B, channels, H, W) → the same shape, values in [0, 1], strictly blind to each pixel itself.

    Sides that do not divide by 32 are padded with *zeros*, and the result is cropped. Reflection would show a pixel
    near the edge to itself.

    Args:
        channels: of the image.
        features: width of the encoder; the decoder is twice as wide (48 in Laine et al., our default).

    Example:
        >>> BlindSpotUNet(features=4)(torch.rand(1, 3, 33, 20)).shape
        torch.Size([1, 3, 33, 20])
    """

    blindness: ClassVar[Blindness] = "strict"
    padding_mode = "zeros"
    branches: ClassVar[int] = 4
    halo_relative_cost = 1.0

    def __init__(self, channels: int = 3, features: int = 48) -> None:
        super().__init__(channels, features)

    @property
    def receptive_field_radius(self) -> int:
        """As far as `UNet`'s down and up again, but twice as many rows at each step, all on one side."""
        return receptive_field_radius(
            [kernel_span(1, -1), *deepest_path(kernel_span(2, 0), kernel_span(1, 0, 2))], self.size_multiple
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple(x, self.size_multiple))[..., :height, :width]

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return Denoiser.forward_region(self, x, region)

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 32."""
        return self._finish(torch.cat(run_in_four_rotations(self._above, x), dim=1), x)  # (B, 4·96, H, W) → (B, channels, H, W)

    def _above(self, x: Tensor) -> Tensor:
        """Features of the rows above each pixel, (B, channels, H, W) → (B, 96, H, W)."""
        y, skips = self._encoded(x, [full_region(x)[0]])
        skips.insert(0, x)
        for level in range(POOLING_LEVELS, 0, -1):
            y = self._up(level, y, skips.pop())
        return shift(y, direction=0, distance=1)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        layer = self.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        if can_fuse(x):
            weight, bias = prepare_weights(layer, "", compute_dtype(x), lambda: effective_weights(layer))
            return convolve_with_weights(x, weight, bias, "leaky_relu", slope=NEGATIVE_SLOPE, padding=(2, 1))[
                ..., : x.shape[-2], :
            ]
        # Pad two rows of zeros above and drop the rows past the last: row i depends on the rows i − 2 … i.
        x = F.conv2d(x, layer.weight, layer.bias, padding=(2, 1))[..., : x.shape[-2], :]
        return F.leaky_relu(x, NEGATIVE_SLOPE)  # not in place, since this also makes the cropped rows contiguous

    def _pool(self, x: Tensor) -> Tensor:
        return max_pool(shift(x, direction=0, distance=1))
