"""Distillation: a student learns, from noisy images alone, to give what one or several trained models give.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR
2024: one network with seven blind spots is seven teachers, each better in other places. A plain network that learns
from all of them is better and cheaper than any. "TM-BSN", CVPR 2026, adds the recharge: its students see the noisy
pixel, which blind teachers never saw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import PrivateAttr, field_validator, model_validator
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.rng import integers
from unnoise.schemes.base import AuxiliaryTargets, Network, TeacherLoader
from unnoise.schemes.simulated_crops import SimulatedCrops
from unnoise.schemes.single_pass import SinglePass
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions

Values = tuple[float, float]

TYPICAL_ERROR = 0.015
"""About the mean error of a crop, in 0..1. It keeps its weight when all crops count equally."""
NEGLIGIBLE_ERROR = 0.002
"""Half of an 8-bit step, in 0..1. No picture needs to become better than this."""


class Distillation(SinglePass):
    """Any teachers → any student, which restores a picture by one call and no more.

    The teachers are needed in training alone: a trained student is loaded and applied without them.

    >>> from unnoise.schemes.teachers import TeacherChoice
    >>> Distillation(teachers=(TeacherChoice(model="default"),)).restore(lambda x: 2 * x, torch.ones(1, 1, 1, 2))
    tensor([[[[2., 2.]]]])
    """

    name: Literal["distillation"] = "distillation"
    teachers: tuple[TeacherChoice, ...] = ()
    """Trained models, each a name or file, or that with its own options. A shipped recipe names none: give them at
    training."""
    each: TeacherOptions = TeacherOptions()
    """How each teacher is run that does not say otherwise."""
    recharge: bool = False
    """Give each pixel at random to one of the targets, and in that one put the noisy pixel in its place (TM-BSN)."""
    student_from_teacher: bool = False
    """Start with those weights of the first teacher that agree in name and shape, if its value range is the same."""
    student_keeps: tuple[str, ...] = ()
    """Prefixes of names of weights that start at random although they would fit."""
    cache: bool = False
    """Run the teachers once ahead over whole pictures, into files beside the run, and not on each crop anew. For
    teachers that take long: they then see beyond the edges of the crops, and R³ draws once."""
    even: bool = False
    """Weight each crop by its error in decibels, so quiet pictures count as much as noisy ones.

    By the plain mean a network learns most where the errors are largest, and harms pictures that have almost no noise."""
    simulated: SimulatedCrops | None = None
    """Let a share of the crops be simulated: no teacher then has to be believed, and the student meets cameras that
    took none of the training's pictures. Needs `cache`, as the teachers' results on whole pictures are what is
    photographed anew."""

    _teachers: AuxiliaryTargets | None = PrivateAttr(None)
    _values: Values = PrivateAttr((0.0, 1.0))

    @field_validator("teachers", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return named_teachers(value)

    @model_validator(mode="after")
    def _cached_to_simulate(self) -> Self:
        if self.simulated and not self.cache:
            raise UsageError("Simulated crops need the teachers' results on whole pictures; set scheme.cache=true as well.")
        return self

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """Load the teachers for the student `network`. Raises `UsageError` where none is named, absent, or unfit."""
        if not self.teachers:
            raise UsageError(
                "A student needs a teacher; name a trained model by --teacher, or in the recipe's scheme.teachers."
            )
        bound = self.model_copy()
        bound._teachers = load_teachers(self.teachers, self.each, network)
        bound._values = network.value_range
        return bound

    def initialize(self, network: Denoiser) -> str | None:
        """Take the first teacher's weights where names and shapes agree, as `student_from_teacher` says."""
        if not self.student_from_teacher:
            return None
        teacher = self._bound().first_network
        weights = network.state_dict()
        fitting = {
            key: value
            for key, value in teacher.state_dict().items()
            if key in weights and weights[key].shape == value.shape and not key.startswith(self.student_keeps)
        }
        if teacher.value_range != network.value_range:
            fitting = {}
        network.load_state_dict(weights | fitting)
        return f"The student begins with {len(fitting)} of its {len(weights)} tensors of weights from {self.teachers[0].model}."

    @property
    def auxiliary_targets(self) -> AuxiliaryTargets | None:
        return self._bound() if self.cache else None

    @property
    def simulation(self) -> SimulatedCrops | None:
        return self.simulated

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Σ_k mean |network(x) − teacher_k(x)|, in the student's values; with `even` each crop's by a weight of its
        own."""
        noisy, targets = self._with_targets(noisy, generator)
        if self.recharge:
            targets = recharge_targets(targets, noisy, generator)
        errors = (network(noisy) - targets).abs().mean((0, 2, 3, 4))  # (B)
        low, high = self._values
        return (decibel_weighted(errors, high - low) if self.even else errors).mean() * len(targets)

    def _with_targets(self, noisy: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The noisy crops, (B, C, H, W), and their targets, (K, B, C, H, W), in the student's values."""
        teachers = self._bound()
        if not self.cache:
            return noisy, teachers(noisy, self._values, generator)
        noisy, *stack = noisy.chunk(1 + teachers.count, dim=1)
        return noisy.contiguous(memory_format=torch.channels_last), torch.stack(stack)

    def _bound(self) -> AuxiliaryTargets:
        if self._teachers is None:
            raise UsageError("The scheme 'distillation' has no teachers yet; call bind first, as training does.")
        return self._teachers


def named_teachers(value: Any) -> Any:
    """A recipe's list of teachers, in which each may be a name alone, as pydantic takes it.

    Example:
        >>> named_teachers(["default", {"model": "best", "ensemble": True}])
        [{'model': 'default'}, {'model': 'best', 'ensemble': True}]
    """
    if isinstance(value, list | tuple):
        return [{"model": str(item)} if isinstance(item, str | Path) else item for item in value]
    return value


def decibel_weighted(errors: Tensor, white: float = 1.0) -> Tensor:
    """Errors (B), in 0..white, weighted so that their gradients are about those of their logarithms times
    `TYPICAL_ERROR`.

    Example:
        >>> decibel_weighted(torch.tensor([0.013])).round(decimals=4)
        tensor([0.0130])
    """
    return errors * (TYPICAL_ERROR / (errors.detach() / white + NEGLIGIBLE_ERROR))


def recharge_targets(targets: Tensor, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Put each pixel of the noisy image into one of the K targets, drawn at random for each pixel (TM-BSN's recharge).

    Args:
        targets: (K, B, C, H, W).
        noisy: (B, C, H, W).
        generator: of the draws.

    Returns:
        (K, B, C, H, W).

    Example:
        >>> recharge_targets(torch.zeros(2, 1, 1, 2, 2), torch.ones(1, 1, 2, 2)).sum().item()
        4.0
    """
    count, batch, _, height, width = targets.shape
    draws = torch.default_generator if generator is None else generator
    chosen = integers(count, (batch, 1, height, width), draws, targets.device)
    here = chosen == torch.arange(count, device=targets.device).reshape(-1, 1, 1, 1, 1)  # (K, B, 1, H, W)
    return torch.where(here, noisy, targets)
