"""AP-BSN's asymmetric PD: train a blind network on components of distant pixels, apply it to components of close
pixels.

Lee, Son and Lee, "AP-BSN: Self-Supervised Denoising for Real-World Images via Asymmetric PD and Blind-Spot Network",
CVPR 2022. A blind network can learn a pixel's noise only from correlated neighbours. Camera noise is correlated over a
few pixels. At stride 5 the neighbours in a component are far enough apart. At inference a stride of 2 keeps detail that
stride 5 loses to aliasing.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.layers.polyphase import merge_mosaic, split_mosaic
from unnoise.regions import Region, RegionSource, dilate, downsample_region, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.base import Network, run_region
from unnoise.schemes.borders import region_with_reflected_border, with_reflected_border
from unnoise.schemes.component_scheme import ComponentScheme
from unnoise.schemes.mosaic_windows import component_intervals, restore_mosaic_region

Stride = Annotated[int, Field(ge=1, le=16)]


class PDBlindSpot(ComponentScheme):
    """PD in mosaic form around a blind-spot network, with different strides in training and at inference.

    Example:
        >>> PDBlindSpot(infer_stride=2).restore(lambda x: 2 * x, torch.ones(1, 3, 5, 7)).unique().tolist()
        [2.0]
    """

    requires_blind_network = True

    name: Literal["pd-blind-spot"] = "pd-blind-spot"
    train_stride: Stride = 5
    """Stride of PD in training; the paper's a = 5."""
    infer_stride: Stride = 2
    """Stride of PD at inference; the paper's b = 2."""
    border: Annotated[int, Field(ge=0, le=16)] = 2
    """Zeros around each component, in pixels; the published code's `pd_pad`."""

    def network_pixels(self, height: int, width: int) -> int:
        """Those of the mosaic."""
        stride = self.infer_stride
        return stride**2 * math.prod(-(-length // stride) + 2 * self._border(stride) for length in (height, width))

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |PD⁻¹(network(PD_a(x))) − x|, the paper's Eq. 7 (L1 to the noisy image itself)."""
        return F.l1_loss(self._pass(network, noisy, self.train_stride), noisy)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self._pass(network, noisy, self.infer_stride)

    def restore_region(
        self, network: Network, view: RegionSource, region: Region, radius: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        """By windows of the whole picture's mosaic. A mosaic of the tile would have other neighbours at its seams."""
        height, width = view.size
        if self.infer_stride == 1 or dilate(region, self.restore_radius(radius), view.size) == (
            slice(0, height),
            slice(0, width),
        ):
            return super().restore_region(network, view, region, radius, multiple, draws)
        around = dilate(region, 0, view.size, self.infer_stride)
        see = partial(run_region, network)
        restored = restore_mosaic_region(see, view, around, self.infer_stride, self.border, radius, multiple)
        return restored[..., *relative_to(region, around)]

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """By the region's share of each component of the mosaic."""
        size, stride = (noisy.shape[-2], noisy.shape[-1]), self.infer_stride
        if stride == 1:
            return run_region(network, noisy, region)
        if not isinstance(network, Denoiser):
            return super().restore_cropped(network, noisy, region, generator)
        around = dilate(region, 0, size, stride)
        rows, columns = (
            component_intervals(length, share, stride, self.border)
            for length, share in zip(size, downsample_region(around, stride), strict=True)
        )
        restored = network.forward_windows(split_mosaic(noisy, stride, self.border), rows, columns)
        return merge_mosaic(restored, stride)[..., *relative_to(region, around)]

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """Pad by reflection by `border`, as far as the image allows, run the network, and crop."""
        return with_reflected_border(network, mixed, self.border)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return region_with_reflected_border(partial(run_region, network), mixed, self.border, region)

    def _pass(self, network: Network, noisy: Tensor, stride: int) -> Tensor:
        restored = network(split_mosaic(noisy, stride, self._border(stride)))
        return merge_mosaic(restored, stride, self._border(stride), size=(noisy.shape[-2], noisy.shape[-1]))

    def _border(self, stride: int) -> int:
        """The border; none where PD does nothing."""
        return self.border if stride > 1 else 0
