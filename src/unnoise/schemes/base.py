"""The base class of all schemes. A scheme says how a network learns from noisy images, and how it is then applied; it does no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.deprecated.class_members import RenamedMember, adopt_old_names
from unnoise.deprecated.module_names import renamed
from unnoise.photometry.bias_correction import Light
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.r3 import R3
from unnoise.schemes.simulated_crops import Simulation

Network = Callable[[Tensor], Tensor]
"""(B, C, H, W) → (B, C, H, W), in the network's own value range.

A scheme that needs more of a network, such as a blind spot chosen at each call, declares a Protocol and checks it in `Scheme.check`."""

OLD_NAMES = {
    "phase": "tile_alignment",
    "reach": "restore_radius",
    "refine_reach": "refine_radius",
    "restore_part": "restore_region",
    "restore_within": "restore_cropped",
    "refine_within": "refine_cropped",
    "wants_blindness": "requires_blind_network",
}


class InferenceRecipe(Protocol):
    """The part of a recipe that says how a trained network is applied."""

    @property
    def scheme(self) -> Scheme: ...

    @property
    def refinement(self) -> R3 | None: ...

    @property
    def ensemble(self) -> bool: ...

    @property
    def light(self) -> Light | None: ...


class TrainedModel(Protocol):
    """What a scheme needs of a trained model, such as `unnoise.Model`. Models lie above schemes, so schemes cannot import them."""

    network: Denoiser

    @property
    def recipe(self) -> InferenceRecipe: ...


ModelLoader = Callable[[str], TrainedModel]
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
    """The parameters of a scheme, as a recipe gives them, and the operations that it does with a network.

    All tensors are (B, C, H, W) in the network's value range. Most schemes only call the network.

    Example:
        >>> from unnoise.schemes.pd_blind_spot import PDBlindSpot
        >>> scheme, noisy = PDBlindSpot(infer_stride=2), torch.rand(1, 3, 8, 8)
        >>> torch.equal(scheme.restore(lambda x: x, noisy), noisy)
        True
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    replacement: ClassVar[Literal["value", "pixel"]] = "value"
    """Whether R³ draws for each value by itself, or for all channels of a pixel together."""

    requires_blind_network: ClassVar[bool] = False
    """Whether only the network's blind spot keeps it from learning to copy the noise."""

    is_local: ClassVar[bool] = True
    """Whether `restore` looks no farther than `restore_radius`. Tiles then agree with the whole picture."""

    phase: ClassVar[Any] = RenamedMember("tile_alignment")
    reach: ClassVar[Any] = RenamedMember("restore_radius")
    refine_reach: ClassVar[Any] = RenamedMember("refine_radius")
    restore_part: ClassVar[Any] = RenamedMember("restore_region")
    restore_within: ClassVar[Any] = RenamedMember("restore_cropped")
    refine_within: ClassVar[Any] = RenamedMember("refine_cropped")
    wants_blindness: ClassVar[Any] = RenamedMember("requires_blind_network")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        adopt_old_names(cls, OLD_NAMES)

    @property
    def is_random(self) -> bool:
        """Whether `restore` draws random numbers."""
        return False

    @property
    def tile_alignment(self) -> int:
        """Tiles must begin at multiples of this many pixels. Elsewhere the scheme would split them differently from the picture."""
        return 1

    def restore_radius(self, network_radius: int) -> int:
        """How many pixels away `restore` looks, for a network with this receptive field radius."""
        return network_radius

    def refine_radius(self, network_radius: int) -> int:
        """How many pixels away `refine` looks, for a network with this receptive field radius."""
        return network_radius

    def held(self, pixels: int, device: torch.device, *, by_parts: bool, refined: bool) -> float:
        """Of a tile of so many pixels, how many the network works on at one time, where of a small picture it works on all.

        Args:
            by_parts: by `restore_region`, and of a part of the picture.
            refined: by `refine` as well.
        """
        return pixels

    def shown(self, height: int, width: int) -> int:
        """How many pixels a network sees of a picture of this size, with the borders that the scheme puts around."""
        return height * width

    def check(self, denoiser: type[Denoiser]) -> None:
        """Check that the scheme works with such a network; the recipe's validation calls this.

        Raises:
            UsageError: where it does not.
        """

    def bind(self, load: ModelLoader, network: Denoiser) -> Self:
        """The scheme, ready to train a network, with the trained models that its loss needs. Most schemes need none.

        Args:
            load: loads a trained model by its name or file.
            network: the one to train.

        Raises:
            UsageError: for models that are missing or do not fit.
        """
        return self

    def initialize(self, network: Denoiser) -> str | None:
        """Give a fresh network better weights than random ones, where a bound scheme can; a sentence says what was done."""
        return None

    @property
    def companions(self) -> Companions | None:
        """What a bound scheme wants beside each noisy image in a batch, worked out once ahead from whole pictures.

        The loss then gets (B, (1 + K)·C, H, W), the noisy channels first. None for most schemes.
        """
        return None

    @property
    def simulation(self) -> Simulation | None:
        """The settings of crops that are simulated from the auxiliary targets; None: no crop is simulated."""
        return None

    @abstractmethod
    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training loss of one batch, a scalar. All random numbers come from `generator`, so a step can be repeated."""

    @abstractmethod
    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The restored images, of the shape of `noisy`, for any H, W ≥ 1."""

    def restore_region(
        self, network: Network, view: RegionSource, region: Region, radius: int, multiple: int, draws: PositionalGenerator
    ) -> Tensor:
        """One region of `restore` of the whole picture. It reads only the part of the picture that this needs.

        Args:
            network: as in `restore`.
            view: of the picture, (B, C, H, W).
            region: rows and columns of the result.
            radius: the network's receptive field radius.
            multiple: the network's `Denoiser.size_multiple`.
            draws: random numbers by position in the picture, not yet drawn from.

        Returns:
            (B, C, rows, columns).
        """
        around = dilate(region, self.restore_radius(radius), view.size, self.tile_alignment * multiple)
        draws = PositionalGenerator(draws.seed, around[0].start, around[1].start)
        return self.restore_cropped(network, view.read(*around), relative_to(region, around), draws)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """`restore`, cropped to a region. Schemes override this where they can skip work outside the region."""
        return self.restore(network, noisy, generator)[..., *region]

    @abstractmethod
    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """One pass at full resolution, without down-sampling; R³ repeats it."""

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """`refine`, cropped to a region. Schemes override this where they can skip work outside the region."""
        return self.refine(network, mixed, generator)[..., *region]


def run_region(network: Network, x: Tensor, region: Region) -> Tensor:
    """network(x) in one region, (B, C, H, W) → (B, C, rows, columns). A `Denoiser` may do it with less work.

    Example:
        >>> run_region(lambda x: x, torch.rand(1, 3, 8, 8), (slice(0, 2), slice(3, 7))).shape
        torch.Size([1, 3, 2, 4])
    """
    return network.forward_region(x, region) if isinstance(network, Denoiser) else network(x)[..., *region]


__getattr__ = renamed(
    __name__, {"part_of": "run_region", "Applied": "InferenceRecipe", "Trained": "TrainedModel", "Load": "ModelLoader"}
)
