"""Applying a classical denoiser: the noise is measured in the whole picture, and told to it. Nothing is trained."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self

import torch
from pydantic import Field
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.classical.noise import Noise, measure
from unnoise.errors import UsageError
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.base import Network, Scheme, TeacherLoader


class MeasuredNoise(Scheme):
    """The denoiser is told the noise that `unnoise.noise` measures in the picture.

    Example:
        >>> from unnoise.denoisers.classical.bm3d import BM3D
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> bool((MeasuredNoise().restore(BM3D(channels=1), noisy) - 0.5).std() < 0.02)
        True
    """

    is_trained: ClassVar[bool] = False
    name: Literal["measured-noise"] = "measured-noise"
    level: Annotated[float | None, Field(gt=0, le=1)] = None
    """Standard deviation of white noise, of values in 0..1, where it is known; None: it is measured."""
    correlated: bool = True
    """Whether the noise's correlation is measured too. Otherwise it counts as white."""

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        self._refuse()

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError("A classical denoiser has no weights to train; choose a recipe with a network.")

    def _noise(self, view: RegionSource) -> Noise | None:
        if self.level is not None:
            return Noise.white(self.level, channels=view.read(slice(0, 1), slice(0, 1)).shape[1])
        found = measure(view)
        return found if found is None or self.correlated else found.as_white()

    def restore(self, network: Any, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return torch.cat([network(picture[None], self._noise(RegionSource.of(picture[None]))) for picture in noisy])

    def restore_region(
        self, network: Any, view: RegionSource, region: Region, radius: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        """One region. Its noise is that of the whole picture, which is measured again for each: that takes less time than
        a large tile."""
        around = dilate(region, radius, view.size, multiple)
        return network(view.read(*around), self._noise(view))[..., *relative_to(region, around)]

    def refine(self, network: Any, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self.restore(network, mixed, generator)
