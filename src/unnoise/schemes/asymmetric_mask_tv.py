"""AMSNet's fine-tuning: all pixels are restored as at inference, and the result is to be smooth as well as near the noisy image.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, section 3.5. Neighbours in the picture
belong to different components and masks and are predicted apart, which leaves a chequered pattern; total variation tells of it.
The model that comes of it is AMSNet-P; it begins as an AMSNet-B.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.schemes.base import Network
from unnoise.schemes.masks import complementary_masks
from unnoise.schemes.multi_mask import MultiMask, given_or_fresh, predict_hidden


class AsymmetricMaskTV(MultiMask):
    """`masks` complementary random masks in training too, with total variation in the loss; inference as with `asymmetric-mask`."""

    name: Literal["asymmetric-mask-tv"] = "asymmetric-mask-tv"
    weight: Annotated[float, Field(ge=0)] = 0.1
    """Of the total variation, the paper's λ: its text says 0.01, its Fig. 11 finds 0.1 best."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """λ·TV(y) + ‖y − x‖₁ with y the restoration at `train_stride`, the paper's Eq. 10, divided by the number of values of x.

        Both terms are divided by the same number, so λ weighs them as it does in the paper's sums, whatever the size of the batch,
        and as both are linear in the values, whatever the network's range.
        """
        parts = split_batch(noisy, self.train_stride)  # (B·s², C, h, w)
        count, _, height, width = parts.shape
        draws = given_or_fresh(generator)
        masks = complementary_masks(self.masks, count, height, width, draws, overlap=self.overlap).to(parts.device)
        restored = merge_batch(
            predict_hidden(network, parts, masks), self.train_stride, size=(noisy.shape[-2], noisy.shape[-1])
        )
        return self.weight * total_variation(restored) + F.l1_loss(restored, noisy)


def total_variation(image: Tensor) -> Tensor:
    """Isotropic total variation of (B, C, H, W) per value, a scalar: the sum of the paper's Eq. 9 over B·C·H·W.

    √((I[i+1, j] − I[i, j])² + (I[i, j+1] − I[i, j])²), of each channel by itself; a difference that reaches out of the image is
    zero. The gradient of a flat spot is zero. The published code has |·| + |·| in place of the root.
    """
    down = image.diff(dim=-2, append=image[..., -1:, :])  # (B, C, H, W)
    right = image.diff(dim=-1, append=image[..., -1:])  # (B, C, H, W)
    length: Tensor = torch.linalg.vector_norm(torch.stack((down, right)), dim=0)  # (B, C, H, W)
    return length.mean()
