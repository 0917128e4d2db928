"""Trained models as teachers: how each is run on noisy images, and all of them together as a stack of targets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import lcm
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable_network import has_tunable_blind_spot
from unnoise.errors import UsageError
from unnoise.layers.weight_cache import cached_weights
from unnoise.photometry.bias_correction import REACH, Light
from unnoise.schemes.base import ModelLoader, Scheme
from unnoise.schemes.borders import with_reflected_border
from unnoise.schemes.r3 import R3
from unnoise.schemes.self_ensemble import self_ensemble
from unnoise.schemes.tunable_blind_spot import BlindSpotSize, TunableBlindSpot

Range = tuple[float, float]


class Lessons(BaseModel):
    """How a teacher is run. What is left out is as the scheme has it for each teacher, and where that says nothing, as given here."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    holes: tuple[BlindSpotSize, ...] | None = None
    """Blind spots of a tunable network, one target each, from one pass; none: the teacher's restoration as its recipe says."""
    refine: bool | None = None
    """R³ after a restoration; default: as the teacher's recipe says. The bare passes at `holes` know none."""
    ensemble: bool | None = None
    """Average over the eight flips and quarter turns; default: as the teacher's recipe says, but not the bare passes at `holes`."""
    pad: Annotated[int, Field(ge=0, le=256)] | None = None
    """Reflected pixels around each image; default: 0."""

    @model_validator(mode="after")
    def _one_kind(self) -> Lessons:
        if self.holes and self.refine:
            raise UsageError("R³ refines a teacher's restoration, not its bare passes at holes; leave out 'holes' or 'refine'.")
        return self

    def filled_from(self, other: Lessons) -> Lessons:
        """With what is left out here taken from `other`, but no R³ where holes are given here, and the other way round."""
        filled = {key: getattr(other if getattr(self, key) is None else self, key) for key in Lessons.model_fields}
        if self.holes:
            filled["refine"] = self.refine
        if self.refine:
            filled["holes"] = self.holes
        return Lessons(**filled)


class TeacherChoice(Lessons):
    """A trained model, by its name or file, and how it is run."""

    model: Annotated[str, Field(min_length=1)]


class Teacher:
    """One trained network, frozen, run as its lessons say.

    Attributes:
        count: K, the number of its targets.
        halo: how many pixels away it sees; None: without bound.
        multiple: tiles must begin at multiples of this.
    """

    def __init__(
        self, network: Denoiser, scheme: Scheme, refinement: R3 | None, lessons: Lessons, light: Light | None = None
    ) -> None:
        self.network: Denoiser = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.holes = list(lessons.holes or ())
        self.ensemble = bool(lessons.ensemble)
        self.pad = lessons.pad or 0
        self.light = light
        self.scheme = TunableBlindSpot(infer_hole=max(self.holes)) if self.holes else scheme
        asked = refinement if lessons.refine is None else (refinement or R3()) if lessons.refine else None
        self.refinement = None if self.holes else asked
        self.count = len(self.holes) or 1
        self.multiple = self.scheme.tile_alignment * network.size_multiple
        # The first estimate sees as far as the scheme lets it; R³ makes one pass at full resolution on top of it.
        self.halo = None
        if network.receptive_field_radius is not None and self.scheme.is_local:
            self.halo = (
                self.scheme.restore_radius(network.receptive_field_radius)
                + (network.receptive_field_radius if self.refinement else 0)
                + (REACH if light else 0)
            )
        if self.holes:
            assert has_tunable_blind_spot(network)
            for hole in self.holes:
                network.blind_spot_shift(hole)

    def __call__(self, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, C, H, W) in the network's values → its targets in the same values, (K, B, C, H, W).

        The random choices of its scheme and of R³ come from `generator`.
        """
        if next(self.network.parameters()).device != noisy.device:
            self.network.to(noisy.device)
        generator = generator or torch.Generator()
        with torch.inference_mode(), cached_weights(self.network):
            stack = noisy.expand(self.count, *noisy.shape)  # (K, B, C, H, W)
            if self.ensemble:
                targets = self_ensemble(lambda turned: self._targets(turned[0], generator), stack)
            else:
                targets = self._targets(noisy, generator)
            return self._lit(stack, targets) if self.light else targets

    def _lit(self, noisy: Tensor, targets: Tensor) -> Tensor:
        """The targets with the light of the noisy images, (K, B, C, H, W) each → the same."""
        assert self.light
        seen, restored = (
            convert(x.flatten(0, 1), self.network.value_range, (0.0, 1.0)) for x in (noisy, targets)
        )  # (K·B, C, H, W)
        return convert(self.light(seen, restored), (0.0, 1.0), self.network.value_range).reshape(
            targets.shape
        )  # (K, B, C, H, W)

    def _targets(self, noisy: Tensor, generator: torch.Generator) -> Tensor:
        return with_reflected_border(lambda x: self._bare(x, generator), noisy, self.pad)

    def _bare(self, noisy: Tensor, generator: torch.Generator) -> Tensor:
        network = self.network
        if self.holes and has_tunable_blind_spot(network):
            return network.forward_blind_spots(noisy, self.holes)
        estimate = self.scheme.restore(network, noisy, generator)
        if self.refinement:
            estimate = self.refinement(
                lambda mixed: self.scheme.refine(network, mixed, generator), noisy, estimate, self.scheme.replacement, generator
            )
        return estimate[None]  # (1, B, C, H, W)

    def fingerprint(self) -> bytes:
        """Of its weights and of how it is run."""
        ways = (type(self.network).__name__, self.network.sizes, self.scheme, self.refinement, self.light)
        digest = hashlib.sha256(repr((*ways, self.holes, self.ensemble, self.pad)).encode())
        for key, value in self.network.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.digest()


class Teachers:
    """All teachers of a student, in their order.

    Attributes:
        count: K, the number of targets of all of them.
        halo, multiple: what holds for every one of them; see `Teacher`.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = list(teachers)
        self.count = sum(teacher.count for teacher in self.teachers)
        self.multiple = lcm(*(teacher.multiple for teacher in self.teachers))
        halos = [teacher.halo for teacher in self.teachers]
        self.halo = None if None in halos else max(halo or 0 for halo in halos)

    def __call__(self, noisy: Tensor, values: Range, generator: torch.Generator | None = None) -> Tensor:
        """The targets for (B, C, H, W), each teacher asked in its own values: (K, B, C, H, W).

        Args:
            noisy: with black and white as in `values`.
            values: of `noisy` and of the result; as the student's `value_range`.
            generator: of the teachers' random choices.
        """
        targets = []
        for teacher in self.teachers:
            own = teacher.network.value_range
            targets.append(convert(teacher(convert(noisy, values, own), generator), own, values))
        # Copied outside of inference mode, as what was made within it cannot take part in a loss.
        return torch.cat(targets)

    @property
    def fingerprint(self) -> str:
        """Of all teachers: the same ones run in the same way give the same one."""
        return hashlib.sha256(b"".join(teacher.fingerprint() for teacher in self.teachers)).hexdigest()[:16]


def convert(x: Tensor, values: Range, wanted: Range) -> Tensor:
    """From a range of values with this black and white to another."""
    if values == wanted:
        return x
    scale = (wanted[1] - wanted[0]) / (values[1] - values[0])
    return (x - values[0]) * scale + wanted[0]


def engage(choices: Sequence[TeacherChoice], each: Lessons, load: ModelLoader, student: Denoiser) -> Teachers:
    """Load the teachers.

    Args:
        choices: at least one.
        each: holds for every teacher that does not say otherwise; its `holes` for tunable networks alone.
        load: from a name or file to the model.
        student: whose channels they must share.

    Raises:
        UsageError: a model that is absent, cannot be run as asked, or has other channels than the student.
    """
    teachers = []
    for choice in choices:
        model = load(choice.model)
        lessons = choice.filled_from(each)
        if not has_tunable_blind_spot(model.network):
            if choice.holes:
                raise UsageError(
                    f"The teacher {choice.model} has no holes to choose: its blind spot is fixed; leave out 'holes'."
                )
            lessons = lessons.model_copy(update={"holes": None})
        taught, given = student.sizes.get("channels", 3), model.network.sizes.get("channels", 3)
        if taught != given:
            raise UsageError(f"The teacher {choice.model} has {given} channels, the student {taught}; they must be equal.")
        if lessons.ensemble is None:
            lessons = lessons.model_copy(update={"ensemble": model.recipe.ensemble and not lessons.holes})
        teachers.append(Teacher(model.network, model.recipe.scheme, model.recipe.refinement, lessons, model.recipe.light))
    return Teachers(teachers)
