"""AMSNet's mask scheme: train on the pixels that one random mask hides; restore with masks that together hide every
pixel.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024. The model that it trains is
AMSNet-B.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import split_batch
from unnoise.schemes.base import Network
from unnoise.schemes.masks import random_mask
from unnoise.schemes.multi_mask import MultiMask, generator_or_default


class AsymmetricMask(MultiMask):
    """One mask in training, `masks` complementary ones at inference.

    Example:
        >>> scheme, noisy = AsymmetricMask(masks=2), torch.rand(1, 3, 20, 20)
        >>> scheme.restore(lambda x: x, noisy).abs().max()  # a hidden pixel is zero to the network
        tensor(0.)
    """

    name: Literal["asymmetric-mask"] = "asymmetric-mask"
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of visible pixels in training. The loss is over the others, 1 − keep.

    The percentages of the paper's Fig. 10 ("mask ratio") are the share that is *hidden*: 75, 50, 25, 12.5 and 6.25 %
    are keep = 0.25, 0.5, 0.75, 0.875 and 0.9375. Its models are tested as they were trained. masks = 2, 4, 8 and 16
    belong to 50 % and less. With 75 % these are four masks with a quarter visible each (masks = 4, overlap = 3). But
    `keep` and 1 − overlap/masks may differ."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(M ⊙ PD(x)) − PD(x)| over the values that M hides, the paper's Eq. 4.

        The equation sums. The published code takes the mean, which makes the learning rate independent of the batch's
        size. Zeros that PD may have added are hidden but do not count. Without a generator the mask is that of seed 0.
        """
        components = split_batch(noisy, self.train_stride)  # (B·s², C, h, w)
        inside = split_batch(torch.ones_like(noisy[:, :1]), self.train_stride) > 0  # (B·s², 1, h, w)
        count, channels, height, width = components.shape
        visible = random_mask(count, height, width, self.keep, generator_or_default(generator)).to(components.device)
        scored = inside & ~visible
        error = (network(torch.where(visible, components, 0)) - components).abs()
        # A tiny crop may have no hidden pixel at all: then the loss is zero, not 0/0.
        return torch.where(scored, error, 0).sum() / (channels * scored.sum()).clamp(min=1)
