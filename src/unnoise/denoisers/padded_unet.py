"""What the plain networks share that consist of AT-BSN's U-Net without its shifts: padding, tiles, receptive field."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from unnoise.denoisers.atbsn_unet import AsymmetricUNet
from unnoise.denoisers.base import Denoiser, PaddingMode
from unnoise.layers.partial.halo_crop import POOLING_LEVELS, full_region
from unnoise.layers.receptive_field import receptive_field_radius
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.regions import Region


class PaddedUNet(Denoiser):
    """(B, channels, H, W) → the same shape. Sides that do not divide by 32 are padded by reflection, and the result is
    cropped. Subclasses make `unet`, and say what follows it.

    >>> from unnoise.denoisers.unet_nearest import NearestUNet
    >>> isinstance(NearestUNet(width=4), PaddedUNet)
    True
    """

    padding_mode: ClassVar[PaddingMode] = "reflect"
    size_multiple: ClassVar[int] = 2**POOLING_LEVELS
    """Such sides need no padding, and tiles that begin at its multiples pool the same pixels."""

    halo_relative_cost = 0.21  # the encoder
    unet: AsymmetricUNet

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder scale, at 1/32 of the resolution, and up again."""
        return receptive_field_radius(self.unet.paths[0], self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, full_region(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`, by the U-Net's own."""
        return self.unet.forward_region(pad_to_multiple_reflect(x, self.size_multiple), region)
