"""MASH's network: the U-Net of Lehtinen et al. with nearest up-sampling and pooled skips.

Chihaoui and Favaro, "Masked and Shuffled Blind Spot Denoising for Real-World Images", CVPR 2024, after Lehtinen et al.,
"Noise2Noise", ICML 2018. At full size it is narrower than AT-BSN's U-Net, and its last layer is linear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from unnoise.denoisers.atbsn_unet import AsymmetricUNet, NumberedSequence
from unnoise.denoisers.padded_unet import PaddedUNet
from unnoise.layers.leaky_convolution import initialize_kaiming
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import POOLING_LEVELS
from unnoise.regions import Region


def published_names() -> dict[str, str]:
    """From the published names of the layers to ours, with their dots.

    >>> published_names()["de_block5.2."]
    'unet.dec1.conv2.conv.'
    """
    names = {"en_block1.0.": "unet.intro.conv.", "en_block1.2.": "unet.enc1.conv1.conv.", "de_block5.4.": "output_conv."}
    names |= {f"en_block{level}.0.": f"unet.enc{level}.conv1.conv." for level in range(2, POOLING_LEVELS + 1)}
    names |= {"en_block5.3.": "unet.enc6.conv1.conv."}
    for block in range(1, POOLING_LEVELS + 1):
        level = POOLING_LEVELS + 1 - block
        names |= {f"de_block{block}.{2 * place}.": f"unet.dec{level}.conv{place + 1}.conv." for place in (0, 1)}
    return names


class MashUNet(PaddedUNet):
    """(B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 991,203 parameters at width 48.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide, at full size 4/3 and 2/3 times (48 in the paper).

    Example:
        >>> import torch
        >>> MashUNet(width=6)(torch.zeros(1, 3, 33, 34)).shape
        torch.Size([1, 3, 33, 34])
    """

    def __init__(self, channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width}
        first, second = 4 * width // 3, 2 * width // 3
        self.unet = AsymmetricUNet(channels, width, channels, upward=False)
        self.unet.dec1 = NumberedSequence(2 * width + channels, first, second)
        self.output_conv = nn.Conv2d(second, channels, 3, padding=1)

    def initialize_he(self) -> None:
        """He-normal weights for the leaky ReLU, zero biases; a linear gain for the last layer."""
        initialize_kaiming(self)
        nn.init.kaiming_normal_(self.output_conv.weight, nonlinearity="linear")

    @property
    def receptive_field_radius(self) -> int:
        """One pixel more than the U-Net, for the last layer."""
        return super().receptive_field_radius + 1

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """The region of the whole result: the last layer needs a border of the features, which is hardly less."""
        height, width = x.shape[-2:]
        whole = slice(0, height + -height % self.size_multiple), slice(0, width + -width % self.size_multiple)
        features = super().forward_region(x, whole)
        return output_convolution(self.output_conv, features)[..., *region]

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`, from the published names or ours."""
        names = published_names()
        if "en_block1.0.weight" in weights:
            cut = {key: re.match(r"(.*\.)(\w+)$", key) for key in weights}
            weights = {names[match[1]] + match[2]: weights[key] for key, match in cut.items() if match and match[1] in names}
        return super().from_weights(weights)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3); the last kernel of 3×3 tells it from `NearestUNet`."""
        first, last = weights.get("unet.intro.conv.weight"), weights.get("output_conv.weight")
        if first is None or last is None or last.shape[-1] != 3:
            return None
        return {"channels": first.shape[1], "width": first.shape[0]}
