"""PD for a denoiser of white noise: a stride that the picture asks for breaks the noise's correlation.

Zhou et al., "When AWGN-Based Denoiser Meets Real Noises", AAAI 2020. The components are restored by themselves. Then each
one in turn is put into the noisy picture and that is restored once more. The mean of these keeps texture, which the
components lose. A share of the components' own result makes flat areas smooth.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.noise.autocovariance import autocovariance
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.base import Network
from unnoise.schemes.white_noise import WhiteNoise, told

MAX_STRIDE = 4
"""The paper tries no larger one."""
WHITE_BELOW = 0.1
"""Correlation up to which noise counts as white."""


class PDWhiteNoise(WhiteNoise):
    """Learns as `WhiteNoise`; restores by PD with the smallest stride that makes the picture's noise white.

    The paper compares histograms of its noise network's levels at strides one apart. Here the correlation that
    `unnoise.noise` measures in the picture tells the stride. Any denoiser of white noise will do, trained or imported.

    Example:
        >>> PDWhiteNoise(stride=2, level=25).restore(lambda x: 2 * x, torch.ones(1, 3, 5, 7)).unique().tolist()
        [2.25]
    """

    name: Literal["pd-white-noise"] = "pd-white-noise"  # type: ignore[assignment]
    stride: Annotated[int, Field(ge=0, le=MAX_STRIDE)] = 0
    """Of PD; 0: the picture's noise tells it."""
    background: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The paper's k: the share of the components' own result; the rest is the refined one."""

    @property
    def tile_alignment(self) -> int:
        """A multiple of all strides that a picture may ask for."""
        return self.stride or 12

    def restore_radius(self, network_radius: int) -> int:
        """One pass on components, and the second one at full resolution."""
        return network_radius * ((self.stride or MAX_STRIDE) + 1)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        views = [RegionSource.of(picture[None]) for picture in noisy]
        return torch.cat([self._restored(network, each[None], view) for each, view in zip(noisy, views, strict=True)])

    def restore_region(
        self, network: Network, view: RegionSource, region: Region, radius: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        around = dilate(region, self.restore_radius(radius), view.size, self.tile_alignment * multiple)
        return self._restored(network, view.read(*around), view)[..., *relative_to(region, around)]

    def _restored(self, network: Network, noisy: Tensor, view: RegionSource) -> Tensor:
        """A picture or a part of it, (1, C, H, W), with stride and level of the whole `view`."""
        stride, level = self.stride or self.stride_for(network, view), self._level(network, view)
        if stride == 1:
            return told(network, noisy, level)
        size = noisy.shape[-2], noisy.shape[-1]
        repeated = None if level is None else level.expand(stride**2)
        parts = told(network, split_batch(noisy, stride), repeated)  # (s², C, h, w)
        smooth = merge_batch(parts, stride, size)
        refined = torch.zeros_like(noisy)
        for number in range(stride**2):
            row, column = divmod(number, stride)
            mixed = noisy.clone()
            mixed[..., row::stride, column::stride] = smooth[..., row::stride, column::stride]
            refined += told(network, mixed, level)
        return self.background * smooth + (1 - self.background) * refined / stride**2

    def stride_for(self, network: Network, view: RegionSource) -> int:
        """The smallest stride at which neighbours in a component are hardly correlated; 1 where nothing is known.

        Args:
            network: for its value range.
            view: of the whole picture, (1, C, H, W).
        """
        low, high = getattr(network, "value_range", self._values)
        model = estimate_noise(RegionSource(view.size, lambda *place: (view.read(*place) - low) / (high - low)))
        if model is None or model.is_none:
            return 1
        for stride in range(1, MAX_STRIDE):
            if _largest_correlation(model.spectrum, stride) <= WHITE_BELOW:
                return stride
        return MAX_STRIDE


def _largest_correlation(spectrum: Tensor, stride: int) -> float:
    """Of pixels `stride` rows or columns apart, in the most correlated channel, from the noise's spectra (C, h, w)."""
    found = 0.0
    for channel in spectrum.double().numpy():
        covariance = autocovariance(channel)
        last = len(covariance) - 1
        apart = min(stride, last)
        found = max(found, abs(covariance[apart, 0]) / covariance[0, 0], abs(covariance[0, apart]) / covariance[0, 0])
    return found
