"""The U-Net of the spatially adaptive method, which TBSN's student is as well.

Li et al., "Spatially Adaptive Self-Supervised Learning for Real-World Image Denoising", CVPR 2023, after Laine et al.,
"High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019. It is AT-BSN's U-Net without its shifts, with a 1×1
convolution as the last layer. So its skips are the *pooled* maps, and up-sampling repeats pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from unnoise.denoisers.atbsn_unet import AsymmetricUNet
from unnoise.denoisers.padded_unet import PaddedUNet
from unnoise.layers.leaky_convolution import initialize_kaiming
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import POOLING_LEVELS
from unnoise.regions import Region


def published_names() -> dict[str, str]:
    """From the published names of the trunk's layers to those of `AsymmetricUNet`, with their dots.

    >>> published_names()["decode_block_5.2."]
    'unet.dec5.conv2.conv.'
    """
    names = {"encode_block_1.0.": "unet.intro.conv.", "encode_block_1.2.": "unet.enc1.conv1.conv."}
    names |= {f"encode_block_{level}.0.": f"unet.enc{level}.conv1.conv." for level in range(2, POOLING_LEVELS + 2)}
    for level in range(1, POOLING_LEVELS + 1):
        names |= {f"decode_block_{level}.{2 * place}.": f"unet.dec{level}.conv{place + 1}.conv." for place in (0, 1)}
    return names


def translated(weights: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights under our names; those that `names` does not mention are left out."""
    return {
        names[layer] + kind: value
        for key, value in weights.items()
        for layer, kind in [(key[: key.rfind(".") + 1], key[key.rfind(".") + 1 :])]
        if layer in names
    }


class NearestUNet(PaddedUNet):
    """U-Net, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind. 1,083,747 parameters at width 48.

    Sides that do not divide by 32 are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).

    Example:
        >>> import torch
        >>> NearestUNet(width=4)(torch.zeros(1, 3, 33, 34)).shape
        torch.Size([1, 3, 33, 34])
    """

    value_range = (0.0, 255.0)

    def __init__(self, channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width}
        self.unet = AsymmetricUNet(channels, width, 2 * width, upward=False)
        self.output_conv = nn.Conv2d(2 * width, channels, 1)
        self.initialize_he()

    def initialize_he(self) -> None:
        """He-normal weights for the leaky ReLU, zero biases; a linear gain for the last layer. The constructor draws
        the same."""
        initialize_kaiming(self)
        nn.init.kaiming_normal_(self.output_conv.weight, nonlinearity="linear")

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return output_convolution(self.output_conv, super().forward_region(x, region), x[..., *region])

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`; the published layers are numbered otherwise."""
        if "encode_block_1.0.weight" not in weights:
            return None
        return super().from_weights(translated(weights, published_names() | {"output_conv.": "output_conv."}))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3). Student c has no `output_conv`."""
        first = weights.get("unet.intro.conv.weight")
        if first is None or "output_conv.weight" not in weights:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}


class TBSNStudent(NearestUNet):
    """The student of TBSN (TBSN2UNet): the same network, with values in [0, 1].

    >>> TBSNStudent(width=4).value_range
    (0.0, 1.0)
    """

    value_range = (0.0, 1.0)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """Always None: its state dict looks like that of `NearestUNet`, and no published file holds it."""
        return None
