"""What a scheme is: how a network learns from noisy images alone, and how it is then applied. Schemes do no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, Protocol, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.photometry.bias_correction import Light
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.r3 import R3
from unnoise.schemes.simulated_crops import Simulation

Network = Callable[[Tensor], Tensor]
"""(B, C, H, W) → (B, C, H, W), in the network's own value range. A scheme that asks for more than this call, such as a blind spot
at each call, says so in a Protocol of its own, and refuses other networks in `check`."""


class Applied(Protocol):
    """How a trained network is applied: the part of a recipe that a scheme may ask for."""

    @property
    def scheme(self) -> Scheme: ...

    @property
    def refinement(self) -> R3 | None: ...

    @property
    def ensemble(self) -> bool: ...

    @property
    def light(self) -> Light | None: ...


class Trained(Protocol):
    """What a scheme asks of a trained model; `unnoise.Model` is one. Models lie above schemes, which must not import them."""

    network: Denoiser

    @property
    def recipe(self) -> Applied: ...


Load = Callable[[str], Trained]
"""From a model's name or file to the model."""


class Companions(Protocol):
    """What a bound scheme wants beside each noisy image; see `unnoise.schemes.teachers.Teachers`, which are such."""

    count: int
    halo: int | None
    multiple: int

    @property
    def fingerprint(self) -> str: ...

    def __call__(self, noisy: Tensor, values: tuple[float, float], generator: torch.Generator | None = None) -> Tensor: ...


class Scheme(BaseModel, ABC):
    """The parameters of a scheme, as they stand in a recipe, and the two things it does with a network.

    All tensors are (B, C, H, W) in the network's value range. Most schemes ask nothing of a network but to be called.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    replacement: ClassVar[Literal["value", "pixel"]] = "value"
    """Whether R³ draws for each value by itself or for all channels of a pixel together."""

    wants_blindness: ClassVar[bool] = False
    """Whether nothing but the network itself keeps it from learning to copy the noise."""

    is_local: ClassVar[bool] = True
    """Whether `restore` sees no farther than `reach` says, so that tiles agree with the whole if the network's reach is finite."""

    @property
    def is_random(self) -> bool:
        """Whether `restore` draws random numbers."""
        return False

    @property
    def phase(self) -> int:
        """Tiles must begin at multiples of this, or the scheme would cut them differently from the whole picture."""
        return 1

    def reach(self, network_reach: int) -> int:
        """How many pixels away `restore` can see, given how far the network sees."""
        return network_reach

    def refine_reach(self, network_reach: int) -> int:
        """How many pixels away `refine` can see."""
        return network_reach

    def held(self, pixels: int, device: torch.device, *, by_parts: bool, refined: bool) -> float:
        """Of a tile of so many pixels, how many the network works on at one time, where of a small picture it works on all.

        Args:
            by_parts: by `restore_part`, and of a part of the picture.
            refined: by `refine` as well.
        """
        return pixels

    def shown(self, height: int, width: int) -> int:
        """How many pixels a network sees of a picture of this size, with the borders that the scheme puts around."""
        return height * width

    def check(self, denoiser: type[Denoiser]) -> None:
        """Raise `UsageError` where the scheme cannot work with such a network; recipes are checked by it."""

    def bind(self, load: Load, network: Denoiser) -> Self:
        """The scheme ready to train `network`, with the trained models that its loss asks for; most ask for none.

        Raises:
            UsageError: for models that are absent or do not fit.
        """
        return self

    def initialize(self, network: Denoiser) -> str | None:
        """Give a fresh network a better start than random weights, where a bound scheme knows one, and say so in a sentence."""
        return None

    @property
    def companions(self) -> Companions | None:
        """What a bound scheme wants beside each noisy image in a batch, worked out once ahead from whole pictures.

        The loss then gets (B, (1 + K)·C, H, W), the noisy channels first. None for most schemes.
        """
        return None

    @property
    def simulation(self) -> Simulation | None:
        """Which crops are to be simulated from the companions' results, if any; they come as the others do, with targets."""
        return None

    @abstractmethod
    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training loss of one batch, a scalar. Random choices come from `generator` alone, so that a step can be repeated."""

    @abstractmethod
    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The restored images, of the same shape as `noisy`, for any H, W ≥ 1."""

    def restore_part(
        self, network: Network, view: RegionSource, part: Region, sees: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        """`restore` of the whole picture, cropped to `part`, without reading more of the picture than that takes.

        Args:
            network: as in `restore`.
            view: of the picture.
            part: the rows and columns wanted.
            sees: the network's reach.
            multiple: the network's; see `Denoiser.multiple`.
            draws: of the picture's places, not yet drawn from.
        """
        around = dilate(part, self.reach(sees), view.size, self.phase * multiple)
        draws = PositionalGenerator(draws.seed, around[0].start, around[1].start)
        return self.restore_within(network, view.read(*around), relative_to(part, around), draws)

    def restore_within(self, network: Network, noisy: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        """`restore`, cropped to the rows and columns `wanted`; schemes that can spare the network the rest do."""
        return self.restore(network, noisy, generator)[..., *wanted]

    @abstractmethod
    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """One pass at full resolution, without down-sampling, of the kind that R³ repeats."""

    def refine_within(self, network: Network, mixed: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        """`refine`, cropped to the rows and columns `wanted`; schemes that can spare the network the rest do."""
        return self.refine(network, mixed, generator)[..., *wanted]


def part_of(network: Network, x: Tensor, wanted: Region) -> Tensor:
    """network(x) at the rows and columns `wanted`, which a `Denoiser` may work out with less."""
    return network.part(x, wanted) if isinstance(network, Denoiser) else network(x)[..., *wanted]
