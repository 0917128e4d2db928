"""Trained models as teachers: each is run by the pipeline, and all of them together give a stack of targets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable_network import has_tunable_blind_spot
from unnoise.deprecated.keywords import renamed_keywords
from unnoise.errors import UsageError
from unnoise.inference.bands import restore_bands
from unnoise.inference.chain import Chain
from unnoise.inference.settings import InferenceSettings
from unnoise.layers.weight_cache import cached_weights
from unnoise.models import shipped
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.bias_correction_bands import correct_bands
from unnoise.photometry.photometry import Photometry
from unnoise.regions import Region, RegionSource
from unnoise.rng import RandomSource
from unnoise.schemes.base import AuxiliaryTargets, ModelLoader, Network, Scheme, TeacherLoader
from unnoise.schemes.r3 import R3
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot

Range = tuple[float, float]
"""Black and white."""


class BlindSpotPasses(Scheme):
    """The passes of a tunable network at several blind spots, from one call. It only restores, and no recipe names it."""

    sizes: tuple[int, ...]
    """Of the blind spots."""

    def restore_radius(self, network_radius: int) -> int:
        """That of the largest blind spot."""
        return TunableBlindSpot(infer_hole=max(self.sizes)).restore_radius(network_radius)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """(B, C, H, W) → (B, K·C, H, W): the channels of each pass, in the order of `sizes`."""
        assert isinstance(network, Denoiser)
        assert has_tunable_blind_spot(network)
        return network.forward_blind_spots(noisy, list(self.sizes)).transpose(0, 1).flatten(1, 2)

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        raise NotImplementedError("A teacher's passes at blind spots are not trained.")

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        raise NotImplementedError("A teacher's passes at blind spots are not refined.")


class Teacher:
    """One trained network, frozen, applied as its options say.

    Attributes:
        count: K, the number of its targets.

    >>> from unnoise.models.shipped import load
    >>> model = load("ap-bsn")
    >>> Teacher(model.network, model.recipe.scheme, None, TeacherOptions())(torch.zeros(1, 3, 20, 20)).shape
    torch.Size([1, 1, 3, 20, 20])
    """

    @renamed_keywords(light="bias_correction")
    def __init__(
        self,
        network: Denoiser,
        scheme: Scheme,
        refinement: R3 | None,
        options: TeacherOptions,
        bias_correction: BiasCorrection | None = None,
    ) -> None:
        """
        Args:
            network: becomes the teacher's, in evaluation mode and without gradients.
            scheme, refinement, bias_correction: of the network's recipe.
            options: how it is applied; `holes` for tunable networks only.
        """
        self.network: Denoiser = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.blind_spots = list(options.holes or ())
        self.ensemble = bool(options.ensemble)
        self.border = options.pad or 0
        self.bias_correction = bias_correction
        self.scheme = BlindSpotPasses(sizes=tuple(self.blind_spots)) if self.blind_spots else scheme
        asked = refinement if options.refine is None else (refinement or R3()) if options.refine else None
        self.refinement = None if self.blind_spots else asked
        self.count = len(self.blind_spots) or 1
        if self.blind_spots:
            assert has_tunable_blind_spot(network)
            for size in self.blind_spots:
                network.blind_spot_shift(size)

    @property
    def is_random(self) -> bool:
        """Whether its targets depend on the seed."""
        return self.refinement is not None or self.scheme.is_random

    def __call__(self, noisy: Tensor, seed: int = 0) -> Tensor:
        """The targets for a batch of crops, (B, C, H, W) in 0..1 → (K, B, C, H, W).

        The random choices of its scheme and of R³ come from `seed`. In an autocast context the network runs in that precision.
        """
        padded, inner = _with_border(noisy, self.border)
        with torch.inference_mode(), cached_weights(self.network):
            restored = self._chain(noisy.device, seed).restore(RegionSource.of(padded), inner)  # (B, K·C, H, W)
            targets = restored.reshape(len(noisy), self.count, *noisy.shape[1:]).transpose(0, 1)  # (K, B, C, H, W)
            if self.bias_correction is None:
                return targets
            stack = noisy.expand(targets.shape).flatten(0, 1)  # (K·B, C, H, W)
            return self.bias_correction(stack, targets.flatten(0, 1)).reshape(targets.shape)

    def bands(self, noisy: Tensor, seed: int) -> Iterator[tuple[slice, Tensor]]:
        """The targets for a whole picture, (1, C, H, W) in 0..1, in tiles where it is large.

        Yields:
            Rows, each once and in order, and their targets (K, C, rows, W).
        """
        height = noisy.shape[-2]
        padded, (rows, columns) = _with_border(noisy, self.border)

        def unpadded() -> Iterator[tuple[slice, Tensor]]:
            for place, band in restore_bands(self._chain(noisy.device, seed), [RegionSource.of(padded)]):
                first, last = max(place.start - rows.start, 0), min(place.stop - rows.start, height)
                if first < last:
                    inner = slice(first + rows.start - place.start, last + rows.start - place.start)
                    yield slice(first, last), band.reshape(self.count, -1, *band.shape[-2:])[:, :, inner, columns]

        photometry = [Photometry(bias_correction=self.bias_correction)] * self.count
        return correct_bands(photometry, [RegionSource.of(noisy)] * self.count, unpadded())

    def _chain(self, device: torch.device, seed: int) -> Chain:
        if next(self.network.parameters()).device != device:
            self.network.to(device)
        precision = "float32"
        if torch.is_autocast_enabled(device.type):
            precision = str(torch.get_autocast_dtype(device.type)).removeprefix("torch.")
        settings = InferenceSettings(refinement=self.refinement, ensemble=self.ensemble, precision=precision, seed=seed)
        return Chain(self.network, self.scheme, settings)

    def fingerprint(self) -> bytes:
        """Of its weights and of how it is applied."""
        ways = (type(self.network).__name__, self.network.sizes, self.scheme, self.refinement, self.bias_correction)
        digest = hashlib.sha256(repr((*ways, self.blind_spots, self.ensemble, self.border)).encode())
        for key, value in self.network.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.digest()


class Teachers(AuxiliaryTargets):
    """All teachers of a student, in their order.

    Attributes:
        count: K, the number of targets of all of them.

    >>> from unnoise.models.shipped import load
    >>> model = load("ap-bsn")
    >>> Teachers([Teacher(model.network, model.recipe.scheme, None, TeacherOptions())]).count
    1
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = list(teachers)
        self.count = sum(teacher.count for teacher in self.teachers)

    @property
    def first_network(self) -> Denoiser:
        """That of the first teacher."""
        return self.teachers[0].network

    def __call__(self, noisy: Tensor, values: Range, generator: torch.Generator | None = None) -> Tensor:
        """The targets for a batch of crops, (B, C, H, W) → (K, B, C, H, W).

        Args:
            noisy: with black and white as in `values`.
            values: of `noisy` and of the result, such as the student's `value_range`.
            generator: of the teachers' random choices.
        """
        draws = any(teacher.is_random for teacher in self.teachers)
        seed = int(torch.randint(2**24, (1,), generator=generator)) if generator and draws else 0
        unit = convert(noisy, values, (0.0, 1.0))
        targets = [convert(teacher(unit, seed), (0.0, 1.0), values) for teacher in self.teachers]
        # Copied outside of inference mode, as what was made within it cannot take part in a loss.
        return torch.cat(targets)

    def bands(self, noisy: Tensor, seed: int) -> Iterator[tuple[slice, slice, Tensor]]:
        """The targets for a whole picture, (1, C, H, W) in 0..1, in tiles where it is large.

        Yields:
            Which of the K targets these are, their rows, and their values (targets, C, rows, W).
        """
        first = 0
        for teacher in self.teachers:
            for rows, band in teacher.bands(noisy, seed):
                yield slice(first, first + teacher.count), rows, band
            first += teacher.count

    @property
    def fingerprint(self) -> str:
        """Of all teachers: the same ones applied in the same way give the same one."""
        return hashlib.sha256(b"".join(teacher.fingerprint() for teacher in self.teachers)).hexdigest()[:16]


def convert(x: Tensor, values: Range, wanted: Range) -> Tensor:
    """From a range of values with this black and white to another.

    >>> convert(torch.tensor([0.5]), (0.0, 1.0), (0.0, 255.0))
    tensor([127.5000])
    """
    if values == wanted:
        return x
    scale = (wanted[1] - wanted[0]) / (values[1] - values[0])
    return (x - values[0]) * scale + wanted[0]


def teacher_loader(load: ModelLoader = shipped.load) -> TeacherLoader:
    """What `Scheme.bind` takes: loads teachers, each from a model's name or file by `load`.

    >>> callable(teacher_loader())
    True
    """
    return partial(load_teachers, load=load)


def load_teachers(
    choices: Sequence[TeacherChoice], each: TeacherOptions, student: Denoiser, load: ModelLoader = shipped.load
) -> Teachers:
    """Load the teachers.

    Args:
        choices: at least one.
        each: holds for every teacher that does not say otherwise; its `holes` for tunable networks alone.
        student: whose channels they must share.
        load: from a name or file to the model.

    Raises:
        UsageError: a model that is absent, cannot be applied as asked, or has other channels than the student.

    >>> from unnoise import denoisers
    >>> from unnoise.schemes.teachers import TeacherChoice
    >>> load_teachers([TeacherChoice(model="ap-bsn")], TeacherOptions(), denoisers.create("tmbsn-student", width=4)).count
    1
    """
    teachers = []
    for choice in choices:
        model = load(choice.model)
        options = choice.filled_from(each)
        if not has_tunable_blind_spot(model.network):
            if choice.holes:
                raise UsageError(
                    f"The teacher {choice.model} has no holes to choose: its blind spot is fixed; leave out 'holes'."
                )
            options = options.model_copy(update={"holes": None})
        taught, given = student.sizes.get("channels", 3), model.network.sizes.get("channels", 3)
        if taught != given:
            raise UsageError(f"The teacher {choice.model} has {given} channels, the student {taught}; they must be equal.")
        if options.ensemble is None:
            options = options.model_copy(update={"ensemble": model.recipe.ensemble and not options.holes})
        teachers.append(
            Teacher(model.network, model.recipe.scheme, model.recipe.refinement, options, model.recipe.bias_correction)
        )
    return Teachers(teachers)


def _with_border(noisy: Tensor, border: int) -> tuple[Tensor, Region]:
    """(B, C, H, W) with a border of reflected pixels, as wide as the picture allows, and the rows and columns within it."""
    height, width = noisy.shape[-2:]
    down, across = min(border, height - 1), min(border, width - 1)
    padded = F.pad(noisy, (across, across, down, down), mode="reflect") if down or across else noisy
    return padded, (slice(down, down + height), slice(across, across + width))
