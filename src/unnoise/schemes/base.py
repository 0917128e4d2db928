"""The base class of all schemes. A scheme says how a network learns from noisy images, and how it is then applied; it
does no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import torch
from pydantic import BaseModel, ConfigDict, PrivateAttr
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.deprecated.class_members import RenamedMember, adopt_old_names
from unnoise.deprecated.module_names import renamed
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.r3 import R3

if TYPE_CHECKING:
    from unnoise.schemes.simulated_crops import SimulatedCrops

Network = Callable[[Tensor], Tensor]
"""(B, C, H, W) → (B, C, H, W), in the network's own value range.

A scheme that needs more of a network, such as a blind spot chosen at each call, declares a Protocol and checks it in
`Scheme.check`."""

OLD_NAMES = {
    "phase": "tile_alignment",
    "reach": "restore_radius",
    "refine_reach": "refine_radius",
    "restore_part": "restore_region",
    "restore_within": "restore_cropped",
    "refine_within": "refine_cropped",
    "wants_blindness": "requires_blind_network",
    "companions": "auxiliary_targets",
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
    def bias_correction(self) -> BiasCorrection | None: ...


class TrainedModel(Protocol):
    """What a scheme needs of a trained model, such as `unnoise.Model`. Models lie above schemes, so schemes cannot
    import them."""

    network: Denoiser

    @property
    def recipe(self) -> InferenceRecipe: ...


ModelLoader = Callable[[str], TrainedModel]
"""From a model's name or file to the model."""


class AuxiliaryTargets(Protocol):
    """What a bound scheme wants beside each noisy image; see `unnoise.training.teachers.Teachers`."""

    count: int
    """K, the number of targets."""

    @property
    def first_network(self) -> Denoiser:
        """The network that the first targets come from."""
        ...

    @property
    def fingerprint(self) -> str:
        """The same for the same targets."""
        ...

    def __call__(self, noisy: Tensor, values: tuple[float, float], generator: torch.Generator | None = None) -> Tensor:
        """The targets for a batch of crops, (B, C, H, W) with this black and white → (K, B, C, H, W)."""
        ...

    def bands(self, noisy: Tensor, seed: int) -> Iterator[tuple[slice, slice, Tensor]]:
        """The targets for a whole picture, (1, C, H, W) in 0..1: which, their rows, and their values (targets, C, rows,
        W)."""
        ...


TeacherLoader = Callable[..., AuxiliaryTargets]
"""From a scheme's teachers, the options for each of them, and the student, to what they give; see
`training.teachers.load_teachers`."""


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

    is_trained: ClassVar[bool] = True
    """Whether the scheme trains networks. One scheme only applies denoisers without weights."""

    adds_noise: ClassVar[bool] = False
    """Whether the loss wants more noise of each crop's own kind: (B, 2·C, H, W), the noisy channels and then the noise,
    which is scaled and shifted as the crop is."""

    needs_neighbours: ClassVar[bool] = False
    """Whether the loss wants a neighbouring frame beside each crop: (B, 3·C, H, W), the noisy channels, those of the
    neighbour as bright as the frame, and its weights, where black is 0 and white 1."""

    needs_targets: ClassVar[bool] = False
    """Whether the loss wants a second picture of each crop's scene: (B, 2·C, H, W), the noisy channels, then those of
    the second picture."""

    changes_over_run: ClassVar[bool] = False
    """Whether the loss depends on how much of the run is done."""
    _share: float = PrivateAttr(0.0)
    """How much of the run is done, 0..1, where `changes_over_run`."""

    is_local: ClassVar[bool] = True
    """Whether `restore` looks no farther than `restore_radius`. Tiles then agree with the whole picture."""

    phase: ClassVar[Any] = RenamedMember("tile_alignment")
    reach: ClassVar[Any] = RenamedMember("restore_radius")
    refine_reach: ClassVar[Any] = RenamedMember("refine_radius")
    restore_part: ClassVar[Any] = RenamedMember("restore_region")
    restore_within: ClassVar[Any] = RenamedMember("restore_cropped")
    refine_within: ClassVar[Any] = RenamedMember("refine_cropped")
    wants_blindness: ClassVar[Any] = RenamedMember("requires_blind_network")
    companions: ClassVar[Any] = RenamedMember("auxiliary_targets")

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
        """Tiles must begin at multiples of this many pixels. Elsewhere the scheme would split them differently from the
        picture."""
        return 1

    def restore_radius(self, network_radius: int) -> int:
        """How many pixels away `restore` looks, for a network with this receptive field radius."""
        return network_radius

    def refine_radius(self, network_radius: int) -> int:
        """How many pixels away `refine` looks, for a network with this receptive field radius."""
        return network_radius

    @property
    def sequential_parts(self) -> int:
        """Into how many parts of equal size `restore_region` splits a region, which then go through the network one
        after the other."""
        return 1

    @property
    def branches(self) -> int:
        """How many copies of each pixel go through the network."""
        return 1

    def batch_pixels(self, device: torch.device) -> int | None:
        """The most pixels that go through the network in one batch; None: all that there are."""
        return None

    def network_pixels(self, height: int, width: int) -> int:
        """How many pixels the network gets for a picture of this size, with the borders that the scheme adds."""
        return height * width

    def check(self, denoiser: type[Denoiser]) -> None:
        """Check that the scheme works with such a network; the recipe's validation calls this.

        Raises:
            UsageError: where it does not.
        """

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """The scheme, ready to train a network, with the trained models that its loss needs. Most schemes need none.

        Args:
            load_teachers: loads the models that a scheme names; see `unnoise.training.teachers`.
            network: the one to train.

        Raises:
            UsageError: for models that are missing or do not fit.
        """
        return self

    def initialize(self, network: Denoiser) -> str | None:
        """Give a fresh network better weights than random ones, where a bound scheme can; a sentence says what was
        done."""
        return None

    def at(self, share: float) -> Self:
        """The scheme as its loss is when this share of the run is done, 0..1. Most schemes stay as they are."""
        if not self.changes_over_run:
            return self
        moved = self.model_copy()
        moved._share = share
        return moved

    @property
    def auxiliary_targets(self) -> AuxiliaryTargets | None:
        """What a bound scheme wants beside each noisy image in a batch, worked out once ahead from whole pictures.

        The loss then gets (B, (1 + K)·C, H, W), the noisy channels first. None for most schemes.
        """
        return None

    @property
    def simulation(self) -> SimulatedCrops | None:
        """The settings of crops that are simulated from the auxiliary targets; None: no crop is simulated."""
        return None

    @abstractmethod
    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training loss of one batch, a scalar. All random numbers come from `generator`, so a step can be
        repeated."""

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
