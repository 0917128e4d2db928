"""PD in batch form around a blind network: the components of a picture become images of their own.

Zhou et al., "When AWGN-based Denoiser Meets Real Noises", AAAI 2020, and Li, Zhang and Zuo, "Rethinking
Transformer-Based Blind-Spot Network for Self-Supervised Image Denoising", AAAI 2025 (TBSN). AP-BSN lays the components
side by side in a mosaic, where convolutions see across the seams. A network with windows or attention must not.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.regions import Region, dilate, downsample_region, relative_to
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, run_region
from unnoise.schemes.component_scheme import ComponentScheme
from unnoise.schemes.multi_mask import max_batch_pixels

Stride = Annotated[int, Field(ge=1, le=16)]


class BatchedComponents(ComponentScheme):
    """Restores each component of stride `infer_stride` by itself, and merges them. Subclasses say how it learns.

    >>> PDComponents(infer_stride=3).tile_alignment
    3
    """

    requires_blind_network = True

    infer_stride: Stride = 2
    """Stride of PD at inference."""

    def batch_pixels(self, device: torch.device) -> int | None:
        return max_batch_pixels(device)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """PD⁻¹(network(PD_b(x)))."""
        return self.restore_cropped(network, noisy, (slice(0, noisy.shape[-2]), slice(0, noisy.shape[-1])), generator)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """By the region's share of each component."""
        stride = self.infer_stride
        around = dilate(region, 0, (noisy.shape[-2], noisy.shape[-1]), stride)
        parts = split_batch(noisy, stride)  # (B·s², C, h, w)
        group = max(1, max_batch_pixels(noisy.device) // (parts.shape[-2] * parts.shape[-1]))
        place = downsample_region(around, stride)
        restored = torch.cat([run_region(network, some, place) for some in torch.split(parts, group)])
        return merge_batch(restored, stride)[..., *relative_to(region, around)]

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """One call at full resolution, without PD and without a border."""
        return network(mixed)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return run_region(network, mixed, region)


class PDComponents(BatchedComponents):
    """Learns on components of distant pixels, and restores components of close pixels.

    Example:
        >>> PDComponents(infer_stride=2).restore(lambda x: 2 * x, torch.ones(1, 3, 5, 7)).unique().tolist()
        [2.0]
    """

    name: Literal["pd-components"] = "pd-components"
    train_stride: Stride = 5
    """Stride of PD in training; TBSN's a = 5."""
    train_components: Annotated[int, Field(ge=0)] = 1
    """How many of the train_stride² components of each crop a step learns from, the first ones; 0: all of them. TBSN
    takes one of each crop of 640 pixels."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(c) − c| over the components c."""
        parts = split_batch(noisy, self.train_stride)
        parts = parts.reshape(len(noisy), -1, *parts.shape[1:])  # (B, s², C, h, w)
        if self.train_components:
            parts = parts[:, : self.train_components]
        components = parts.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return F.l1_loss(network(components), components)
