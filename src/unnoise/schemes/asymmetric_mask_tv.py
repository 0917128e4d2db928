"""AMSNet's fine-tuning: all pixels are restored as at inference, and total variation makes the result smooth.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, section 3.5. Neighbours in
the picture belong to different components and masks and are predicted separately. That leaves a checkerboard pattern,
which total variation penalizes. The resulting model is AMSNet-P; training starts from an AMSNet-B.
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
from unnoise.schemes.multi_mask import MultiMask, generator_or_default, predict_hidden


class AsymmetricMaskTV(MultiMask):
    """`masks` complementary random masks in training too, with total variation in the loss; inference as in
    `asymmetric-mask`.

    >>> AsymmetricMaskTV(masks=3, weight=0.2).weight
    0.2
    """

    name: Literal["asymmetric-mask-tv"] = "asymmetric-mask-tv"
    weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the total variation, the paper's λ. Its text says 0.01; its Fig. 11 finds 0.1 best."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """λ·TV(y) + ‖y − x‖₁ with y the restoration at `train_stride`, the paper's Eq. 10, divided by the number of
        values of x.

        Both terms are divided by the same number, so λ weights them as in the paper's sums, for any batch size. Both
        are linear in the values, so λ means the same for any value range.
        """
        components = split_batch(noisy, self.train_stride)  # (B·s², C, h, w)
        count, _, height, width = components.shape
        draws = generator_or_default(generator)
        masks = complementary_masks(self.masks, count, height, width, draws, overlap=self.overlap).to(components.device)
        restored = merge_batch(
            predict_hidden(network, components, masks), self.train_stride, size=(noisy.shape[-2], noisy.shape[-1])
        )
        return self.weight * total_variation(restored) + F.l1_loss(restored, noisy)


def total_variation(image: Tensor) -> Tensor:
    """Isotropic total variation of (B, C, H, W) per value, a scalar: the paper's Eq. 9, divided by B·C·H·W.

    √((I[i+1, j] − I[i, j])² + (I[i, j+1] − I[i, j])²), for each channel. A difference across the edge is zero. The
    gradient of a flat region is zero. The published code has |·| + |·| in place of the root.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0]]]])).item()
        0.5
    """
    down = image.diff(dim=-2, append=image[..., -1:, :])  # (B, C, H, W)
    right = image.diff(dim=-1, append=image[..., -1:])  # (B, C, H, W)
    length: Tensor = torch.linalg.vector_norm(torch.stack((down, right)), dim=0)  # (B, C, H, W)
    return length.mean()
