"""The students of AT-BSN (D): plain networks, not blind, that learn from one AT-BSN with several blind spots at once.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR
2024. In all three a leaky ReLU follows every convolution, also the last one. So negative outputs come out ten times too
small, and the published weights are trained for that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.atbsn_unet import AsymmetricUNet, ConvolutionSequence, NumberedSequence, mark_last
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.padded_unet import PaddedUNet
from unnoise.layers.leaky_convolution import LeakyConvolution
from unnoise.layers.partial.halo_crop import max_pool
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span

MIN_SIDE_PIXELS = 4  # two poolings leave one pixel of it


class StudentA(Denoiser):
    """Student a, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind. 128,385 parameters at width 48.

    Three convolutions down, two up, with replicate padding and no biases. Where pooling dropped the last row or column,
    the decoder pads with zeros, as the published network does.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).

    >>> import torch
    >>> StudentA(width=4)(torch.zeros(1, 3, 9, 10)).shape
    torch.Size([1, 3, 9, 10])
    """

    value_range = (0.0, 255.0)
    minimum_side = MIN_SIDE_PIXELS
    size_multiple: ClassVar[int] = 4
    """Tiles that begin at its multiples pool the same pixels."""

    convolutions: ClassVar[tuple[int, int]] = (1, 1)
    """Convolutions in sequence at each step down and up."""

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
    def _down(in_channels: int, middle: int, out_channels: int) -> ConvolutionSequence:
        return ConvolutionSequence(OrderedDict(conv=LeakyConvolution(in_channels, out_channels, replicate=True)))

    _up = _down

    @property
    def receptive_field_radius(self) -> int:
        """Down to a quarter of the resolution and up again."""
        down, up = ([kernel_span(1, 1)] * number for number in self.convolutions)
        pool = [kernel_span(0, 1, 2)]
        return receptive_field_radius(
            [*up, upsampling_span(), *up, upsampling_span(), *down, *pool, *down, *pool, *down], self.size_multiple
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, max(0, MIN_SIDE_PIXELS - width), 0, max(0, MIN_SIDE_PIXELS - height)), mode="replicate")
        half = max_pool(self.enc1(x))  # (B, width, H/2, W/2)
        y = self.enc3(max_pool(self.enc2(half)))  # (B, width, H/4, W/4)
        result: Tensor = self.dec1.forward_upsampled(self.dec2.forward_upsampled(y, half), x)
        return result[..., :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from the first kernel, `enc1.conv.conv.weight` in a, `enc1.conv1.conv.weight` in b, (width, C, 3, 3)."""
        first = weights.get("enc1.conv.conv.weight")
        if first is None or "dec1.conv.conv.weight" not in weights:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}


class StudentB(StudentA):
    """Student b: student a with three convolutions at each step down and four at each step up. 856,656 parameters.

    >>> import torch
    >>> StudentB(width=4)(torch.zeros(1, 3, 9, 10)).shape
    torch.Size([1, 3, 9, 10])
    """

    convolutions = (3, 4)

    @staticmethod
    def _down(in_channels: int, middle: int, out_channels: int) -> ConvolutionSequence:
        return NumberedSequence(in_channels, middle, middle, out_channels, replicate=True)

    @staticmethod
    def _up(in_channels: int, middle: int, out_channels: int) -> ConvolutionSequence:
        return NumberedSequence(in_channels, middle, middle, middle, out_channels, replicate=True)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        first = weights.get("enc1.conv1.conv.weight")
        if first is None or "dec1.conv4.conv.weight" not in weights:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}


class StudentC(PaddedUNet):
    """Student c, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind. 1,003,011 parameters at width 48.

    AT-BSN's U-Net without the shifts, so it can start from a teacher's weights (all but `unet.dec1`). Sides that do not
    divide by 32 are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).

    >>> import torch
    >>> StudentC(width=4)(torch.zeros(1, 3, 33, 34)).shape
    torch.Size([1, 3, 33, 34])
    """

    value_range = (0.0, 255.0)

    def __init__(self, channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width}
        self.unet = AsymmetricUNet(channels, width, channels, upward=False)
        mark_last(self.unet.get_submodule("dec1"))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3); AT-BSN itself has `nin_A` as well."""
        intro = weights.get("unet.intro.conv.weight")
        if intro is None or "nin_A.weight" in weights:
            return None
        return {"channels": intro.shape[1], "width": intro.shape[0]}
