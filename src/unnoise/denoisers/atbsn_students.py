"""The students of AT-BSN (D): plain networks, not blind, that learn from one AT-BSN with several blind spots at once.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.
Every convolution of all three is followed by a leaky ReLU, the last one too, so that negative outputs come out ten times too
small; the published weights are used to that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.atbsn_unet import AsymmetricUNet, Row, Stage, mark_last
from unnoise.denoisers.base import Denoiser
from unnoise.layers.leaky_convolution import Convolution
from unnoise.layers.partial.halo_crop import LEVELS, everywhere, halved
from unnoise.layers.receptive_field import doubling, reach_through, window
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.regions import Region

SMALLEST = 4  # sides that two poolings leave a pixel of


class StudentA(Denoiser):
    """Student a, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind. 128,385 parameters at width 48.

    Three convolutions down, two up, with replicate padding and no biases. Where pooling dropped the last row or column, the
    decoder puts zeros, as the published network does.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).
    """

    value_range = (0.0, 255.0)
    size_multiple: ClassVar[int] = 4
    """Tiles cut at its multiples pool the same pixels together."""

    convolutions: ClassVar[tuple[int, int]] = (1, 1)
    """In a row at each step down and up."""

    def __init__(self, channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width}
        wide = 2 * width
        self.enc1 = self._down(channels, width, width)
        self.enc2 = self._down(width, width, width)
        self.enc3 = self._down(width, wide, width)
        self.dec2 = self._up(wide, wide, wide)
        self.dec1 = self._up(wide + channels, wide, channels)
        mark_last(self.dec1)

    @staticmethod
    def _down(entering: int, middle: int, leaving: int) -> Row:
        return Row(OrderedDict(conv=Convolution(entering, leaving, replicate=True)))

    _up = _down

    @property
    def receptive_field_radius(self) -> int:
        """Down to a quarter of the resolution and up again."""
        down, up = ([window(1, 1)] * number for number in self.convolutions)
        pool = [window(0, 1, 2)]
        return reach_through([*up, doubling(), *up, doubling(), *down, *pool, *down, *pool, *down], self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height)), mode="replicate")
        half = halved(self.enc1(x))  # (B, width, H/2, W/2)
        y = self.enc3(halved(self.enc2(half)))  # (B, width, H/4, W/4)
        result: Tensor = self.dec1.doubled(self.dec2.doubled(y, half), x)
        return result[..., :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from the first kernel, `enc1.conv.conv.weight` in a, `enc1.conv1.conv.weight` in b, (width, C, 3, 3)."""
        first = weights.get("enc1.conv.conv.weight")
        if first is None or "dec1.conv.conv.weight" not in weights:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}


class StudentB(StudentA):
    """Student b, student a with three convolutions at each step down and four at each step up. 856,656 parameters."""

    convolutions = (3, 4)

    @staticmethod
    def _down(entering: int, middle: int, leaving: int) -> Row:
        return Stage(entering, middle, middle, leaving, replicate=True)

    @staticmethod
    def _up(entering: int, middle: int, leaving: int) -> Row:
        return Stage(entering, middle, middle, middle, leaving, replicate=True)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        first = weights.get("enc1.conv1.conv.weight")
        if first is None or "dec1.conv4.conv.weight" not in weights:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}


class StudentC(Denoiser):
    """Student c, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind. 1,003,011 parameters at width 48.

    AT-BSN's U-Net without the shifts, so that it can start from a teacher's weights (all but `unet.dec1`). Sides that do not
    divide by 32 are padded by reflection and the result is cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).
    """

    value_range = (0.0, 255.0)
    size_multiple: ClassVar[int] = 2**LEVELS
    """Sides that divide by it need no padding, and tiles cut at its multiples pool the same pixels together."""

    halo_relative_cost = 0.21  # the encoder

    def __init__(self, channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width}
        self.unet = AsymmetricUNet(channels, width, channels, upward=False)
        mark_last(self.unet.get_submodule("dec1"))

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder at a thirty-second of the resolution and up again."""
        return reach_through(self.unet.paths[0], self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, everywhere(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return self.unet.forward_region(pad_to_multiple_reflect(x, self.size_multiple), region)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3); AT-BSN itself has `nin_A` beside it."""
        intro = weights.get("unet.intro.conv.weight")
        if intro is None or "nin_A.weight" in weights:
            return None
        return {"channels": intro.shape[1], "width": intro.shape[0]}
