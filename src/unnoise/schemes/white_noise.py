"""Learning to remove white noise: it is added to pictures that count as clean, and the network predicts these.

Zhang, Zuo and Zhang, "FFDNet", IEEE Transactions on Image Processing, 2018, and others. A network that is told the noise
level gets that of the training noise, and at inference the one that is measured in the picture.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PrivateAttr, model_validator
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.classical.noise import measure
from unnoise.denoisers.noise_level import takes_noise_level
from unnoise.errors import UsageError
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.base import Network, TeacherLoader
from unnoise.schemes.single_pass import SinglePass

Steps = Annotated[float, Field(ge=0, le=255)]
"""Of 255, in which this field gives noise levels."""


class WhiteNoise(SinglePass):
    """Adds white noise of a random level to each crop. Any network will do; pictures should have little noise.

    Example:
        >>> from unnoise import denoisers
        >>> network = denoisers.create("ffdnet", features=4, layers=3)
        >>> WhiteNoise().loss(network, torch.rand(2, 3, 16, 16)).shape
        torch.Size([])
    """

    name: Literal["white-noise"] = "white-noise"
    levels: tuple[Steps, Steps] = (0.0, 75.0)
    """The lowest and highest standard deviation in training, in steps of 255."""
    error: Literal["squared", "absolute"] = "squared"
    """Whose mean is the loss."""
    level: Steps | None = None
    """The standard deviation at inference, in steps of 255, where it is known; None: it is measured in the picture."""

    _values: tuple[float, float] = PrivateAttr((0.0, 1.0))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.levels[0] > self.levels[1]:
            raise UsageError(f"The lowest level {self.levels[0]} is above the highest, {self.levels[1]}; exchange them.")
        return self

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """The scheme for the network's value range."""
        bound = self.model_copy()
        bound._values = network.value_range
        return bound

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean error of network(x + σn, σ) against x, for a σ drawn for each crop."""
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        low, high = self.levels
        level = (low + (high - low) * torch.rand(len(noisy), generator=draws)) / 255 * (self._values[1] - self._values[0])
        level = level.to(noisy)
        noise = torch.randn(noisy.shape, generator=draws).to(noisy)
        seen = (noisy + level[:, None, None, None] * noise).contiguous(memory_format=torch.channels_last)
        predicted = told(network, seen, level)
        return F.mse_loss(predicted, noisy) if self.error == "squared" else F.l1_loss(predicted, noisy)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return told(network, noisy, self._levels_of(network, noisy))

    def restore_region(
        self, network: Network, view: RegionSource, region: Region, radius: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        """One region, with the noise level of the whole picture. It is measured again for each, which takes less time than
        a large tile."""
        around = dilate(region, self.restore_radius(radius), view.size, self.tile_alignment * multiple)
        level = self._level(network, view)
        return told(network, view.read(*around), level)[..., *relative_to(region, around)]

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return self.restore(network, noisy, generator)[..., *region]

    def _levels_of(self, network: Network, noisy: Tensor) -> Tensor | None:
        """The level of each picture of a batch, (B,); None where the network is told none, or one cannot be measured."""
        levels = [self._level(network, RegionSource.of(picture[None])) for picture in noisy]
        found = [level for level in levels if level is not None]
        return torch.cat(found) if len(found) == len(levels) else None

    def _level(self, network: Network, view: RegionSource) -> Tensor | None:
        """The level of a picture in the network's values, (1,); None where it is told none, or none can be measured."""
        if not takes_noise_level(network):
            return None
        low, high = getattr(network, "value_range", self._values)
        if self.level is not None:
            return torch.tensor([self.level / 255 * (high - low)])
        noise = measure(RegionSource(view.size, lambda *place: (view.read(*place) - low) / (high - low)))
        if noise is None:
            return None
        return (noise.sigma.square().mean().sqrt() * (high - low)).float().reshape(1)


def told(network: Network, x: Tensor, level: Tensor | None) -> Tensor:
    """network(x), with the level where the network takes one: (B, C, H, W) → the same shape.

    Args:
        network: any.
        x: (B, C, H, W).
        level: (B,), in the network's values; None: the network's own.

    Example:
        >>> told(lambda x: x + 1, torch.zeros(1, 1, 1, 1), torch.tensor([0.1])).item()
        1.0
    """
    if level is None or not takes_noise_level(network):
        return network(x)
    return network(x, level=level.to(x))
