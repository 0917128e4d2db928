"""`--adapt`: a trained model continues to learn, with its own scheme, on the pictures that it will restore.

It learns in rounds of the training loop. The learning rate falls in each round. After each round, a risk is estimated
on held-out parts of the pictures. The risk needs no clean picture (Stein's risk by Monte Carlo, see
`schemes.risk_averaged`). Its only unknown term, the noise power, is the same for both models and cancels in their
difference. The work ends with the first round that does not lower the risk by more than chance. The result is the best
model so far; at worst it is the one at the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import images, recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.vanishing import vanishing_folder
from unnoise.images.frames import SinglePicture, open_stack, sample_pictures, split_channels
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.precision import choose_device
from unnoise.inference.settings import InferenceSettings
from unnoise.models import shipped
from unnoise.models.model import Model
from unnoise.noise.residual_noise import noise_level, perturbed, probe
from unnoise.schemes.base import Scheme
from unnoise.training import checkpoints
from unnoise.training.hardware import check_libraries
from unnoise.training.loop import NotFiniteError
from unnoise.training.options import TrainingOptions, TrainingStatus, validate_options
from unnoise.training.schedule import Length
from unnoise.training.sources import Array, TrainingInput, split_inputs
from unnoise.training.teachers import teacher_loader
from unnoise.training.train import train

ROUNDS = 4
LEARNING_RATE_FACTOR = 0.25
"""The learning rate at the start of each round, as a share of the recipe's."""
MIN_PICTURES_TO_HOLD_OUT = 5
"""From this many pictures on, whole pictures are held out. From fewer, a band of rows of each is held out."""
MAX_HELD_OUT_PICTURES = 6
"""At most this many pictures are held out."""
HELD_OUT_PIXELS = 256
"""Side in pixels of the part of a held-out picture that is used."""
RISK_BLOCK_PIXELS = 16
"""Side in pixels of the blocks whose risks are compared."""
SIGNIFICANCE_STANDARD_ERRORS = 2.0
"""The risk must fall by this many standard errors.

Without them, one band of 64 rows once showed a change of 0.2 of the noise power, and the true loss was 1.1 dB."""
MAX_TEACHER_PIXELS = 2_000_000
"""Pixels that teachers see, over all pictures. The best shipped teacher takes a CPU core two minutes for a million."""
MIN_TEACHER_SIDE_PIXELS = 256
"""Smallest side in pixels of the part of each picture that teachers see."""
MAX_STACK_PIXELS = 2**26
"""Pixels of stacks that are kept in memory, in frames that are spread evenly."""
MIN_BAND_ROWS = 64
"""Smallest height of a held-out band, if the picture has three times as many rows."""


@dataclass(frozen=True)
class Adapted:
    """The result of `adapt`.

    >>> from unnoise.models.shipped import load
    >>> Adapted(load("fast"), rounds=2, change=0.04).rounds
    2
    """

    model: Model
    """The model, with the recipe that it had before."""
    rounds: int
    """Number of rounds that the model contains."""
    change: float
    """Change of the risk on the held-out parts, in units of the noise power. Below 0: better. 0: the model is
    unchanged."""

    def sentence(self) -> str:
        """The result in one sentence."""
        if not self.rounds:
            return "Adapting did not lower the risk on the held-out parts; the model stays as it was."
        return (
            f"Adapted: the error on the held-out parts fell by an estimated {-self.change:.1%} of the noise's power "
            f"after {self.model.card.steps} steps."
        )


def adapt(
    model: Model,
    pictures: TrainingInput,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    device: str | None = None,
    axes: str | None = None,
    seed: int = 0,
    progress: Callable[[TrainingStatus], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
) -> Adapted:
    """Let a model learn on noisy pictures, and keep what it learned if a criterion without clean pictures finds it
    better.

    Args:
        model: is not changed. Its scheme must be able to train it; a distilled student needs the teachers that its
            recipe names.
        pictures: files and folders, or arrays, as `unnoise.train` takes them. One is enough.
        steps, minutes: the longest training. Estimating the risk takes more time.
        device, axes, progress, on_message: as `unnoise.train` takes them.
        seed: of the crops and all other random numbers.

    Returns:
        The model after the last round that was kept, or the unchanged model.

    Raises:
        UsageError: neither steps nor minutes, no readable picture, or a model whose scheme cannot train it here.

    >>> import numpy as np
    >>> from unnoise.models.shipped import load
    >>> noisy = np.random.default_rng(0).integers(90, 110, (32, 32, 3), np.uint8)
    >>> adapt(load("ap-bsn"), [noisy])
    Traceback (most recent call last):
    unnoise.errors.UsageError: Adapting needs a length; give steps or minutes.
    """
    check_libraries()
    if not steps and not minutes:
        raise UsageError("Adapting needs a length; give steps or minutes.")
    length = validate_options(Length, steps=steps, minutes=minutes)
    validate_options(
        TrainingOptions, output="", length=length, seed=seed, device=device, progress=progress, on_message=on_message
    )
    is_taught = _bind_scheme(model).auxiliary_targets is not None
    learning, held = _hold_out(pictures, on_message, axes)
    if is_taught:
        learning = _crop_middles(learning, on_message)
    place = str(choose_device(device))
    recipe = recipes.load(
        model.recipe,
        {
            "denoiser": {"name": model.recipe.denoiser.name, "sizes": model.network.sizes},
            "training.learning_rate": LEARNING_RATE_FACTOR * model.recipe.training.learning_rate,
            "training.schedule": "cosine",
            "training.warmup_steps": 0,
            "training.ema": 0.0,
        },
    )
    criterion = _Criterion(model, held, place, seed)
    best, lowest, kept_rounds, seen = model, criterion.first, 0, 0
    with vanishing_folder("unnoise-adapt-") as folder:
        for number in range(ROUNDS):
            left = None if steps is None else (steps - seen) // (ROUNDS - number)
            if left == 0:  # fewer steps than rounds
                continue
            try:
                trained = train(
                    learning,
                    recipe,
                    output=folder,
                    start=best,
                    steps=left,
                    minutes=minutes / ROUNDS if minutes else None,
                    compare=False,
                    seed=seed + number,
                    device=place,
                    progress=_share_progress(progress, number),
                    checkpoint_seconds=math.inf,
                    preview_seconds=math.inf,
                )
            except NotFiniteError as error:
                on_message(f"{str(error).partition('. ')[0]}; the model stays as it was before that.")
                break
            checkpoints.remove_run_files(folder)  # or the next round would resume this one
            seen += trained.card.steps or 0
            risks = criterion.risks(trained)
            if not is_significantly_lower(risks, lowest):
                break
            best, lowest, kept_rounds = trained, risks, number + 1
    change = criterion.change(lowest)
    card = model.card.model_copy(
        update={
            "description": f"{model.card.description} Adapted in {seen} steps to {len(learning)} other pictures or parts.".strip(),
            "steps": seen,
            "scores": {},
        }
    )
    return Adapted(Model(best.network, model.recipe, card) if kept_rounds else model, kept_rounds, change)


def is_significantly_lower(risks: Tensor, others: Tensor) -> bool:
    """Whether risks are lower on average than others, by more than chance among the blocks explains.

    Args:
        risks, others: (blocks).

    >>> others = torch.tensor([1.0, 1.1, 0.9, 1.0])
    >>> is_significantly_lower(others - 0.1, others), is_significantly_lower(others + 0.1, others)
    (True, False)
    """
    difference = (risks - others).double()
    doubt = difference.std().item() / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return difference.mean().item() + SIGNIFICANCE_STANDARD_ERRORS * doubt < 0


def parse_length(text: str) -> dict[str, Any]:
    """Read a length as `--adapt` takes it.

    Raises:
        UsageError: the text has another form.

    >>> parse_length("200"), parse_length("3m")
    ({'steps': 200}, {'minutes': 3.0})
    """
    try:
        length: dict[str, Any] = {"minutes": float(text[:-1])} if text.endswith("m") else {"steps": int(text)}
        if all(0 < value < math.inf for value in length.values()):
            return length
    except ValueError:
        pass
    raise UsageError(f"--adapt takes steps, as 200, or minutes, as 3m; got '{text}'.")


def _bind_scheme(model: Model) -> Scheme:
    """The model's scheme with its teachers. Raises `UsageError` if it has none and needs them."""
    try:
        return model.recipe.scheme.bind(teacher_loader(), model.network)
    except UsageError as error:
        able = [name for name in shipped.names() if _is_trainable(shipped.load(name))]
        raise UsageError(
            f"This model cannot continue to learn with its own scheme, '{model.recipe.scheme.name}': {str(error).rstrip('.')}. "
            f"Of the shipped models {', '.join(able) or 'none'} can adapt."
        ) from error


def _is_trainable(model: Model) -> bool:
    try:
        model.recipe.scheme.bind(teacher_loader(), model.network)
    except UsageError:
        return False
    return True


def _hold_out(
    pictures: TrainingInput, on_message: Callable[[str], None], axes: str | None = None
) -> tuple[list[Any], list[Array]]:
    """What to learn from, as `train` takes it, and what is held out: whole pictures, or bands of rows."""
    files, arrays = split_inputs(pictures)
    sources: list[Any] = arrays or files
    if any(_is_stack(source, axes, number == 0) for number, source in enumerate(sources)):
        count = MAX_STACK_PIXELS // MIN_TEACHER_SIDE_PIXELS**2
        frames = sample_pictures(sources, count, axes=axes, on_error=lambda error: on_message(f"Skipped: {error}"))
        sources = _up_to(MAX_STACK_PIXELS, frames)
    if len(sources) >= MIN_PICTURES_TO_HOLD_OUT:
        count = MAX_HELD_OUT_PICTURES
        places = {place * len(sources) // count for place in range(count)} if len(sources) > 2 * count else {len(sources) // 2}
        learning = [source for place, source in enumerate(sources) if place not in places]
        held = [pixels for place in sorted(places) if (pixels := _read(sources[place], on_message)) is not None]
        if held:
            return learning, held
        sources = learning[: MIN_PICTURES_TO_HOLD_OUT - 1]
    parts: list[Array] = []
    held = []
    for pixels in (_read(source, on_message) for source in sources):
        if pixels is None:
            continue
        height = pixels.shape[0]
        rows = max(height // 5, min(MIN_BAND_ROWS, height // 3))
        top = (height - rows) // 2
        parts += [part for part in (pixels[:top], pixels[top + rows :]) if len(part)]
        held.append(pixels[top : top + rows] if rows else pixels)
    if not parts:
        raise UsageError("There is no picture to adapt to; give some that can be read.")
    return parts, held


def _is_stack(source: Any, axes: str | None, decode: bool) -> bool:
    """Whether there are several pictures in it, or, if it is decoded, channels that are no colors. What cannot be read
    is no stack."""
    try:
        with open_stack(source, axes=axes) as stack:
            return stack.outer is not None or (decode and len(split_channels(stack[0])) > 1)
    except UnnoiseError:
        return False


def _up_to(pixels: int, frames: Iterable[SinglePicture]) -> list[Array]:
    """The frames that have at most so many pixels together, and at least one."""
    kept: list[Array] = []
    for frame in frames:
        pixels -= frame.pixels[..., 0].size if frame.pixels.ndim == 3 else frame.pixels.size
        if kept and pixels < 0:
            break
        kept.append(frame.pixels)
    return kept


def _read(source: Any, on_message: Callable[[str], None]) -> Array | None:
    if isinstance(source, np.ndarray):
        return source
    try:
        return images.read(source).pixels
    except UnnoiseError as error:
        on_message(f"Skipped: {error}")
        return None


def _crop_middles(pictures: Sequence[Any], on_message: Callable[[str], None]) -> list[Any]:
    """The middles of the pictures that can be read, together about `MAX_TEACHER_PIXELS` pixels."""
    side = max(MIN_TEACHER_SIDE_PIXELS, math.isqrt(MAX_TEACHER_PIXELS // max(1, len(pictures))))
    return [_crop_middle(pixels, side) for pixels in (_read(picture, on_message) for picture in pictures) if pixels is not None]


class _Criterion:
    """The risks of models on the same noise with the same perturbation."""

    def __init__(self, model: Model, held: Sequence[Array], device: str, seed: int) -> None:
        self.device = device
        source = torch.Generator().manual_seed(seed)
        self.shaken: list[tuple[Tensor, InferenceSettings, Tensor]] = []
        for pixels in held:
            noisy, form = images.to_tensor(_crop_middle(pixels), normalization=model.recipe.normalization)  # (1, C, h, w)
            settings = InferenceSettings(precision="float32", normalization=model.recipe.normalization).of_kind(
                form.layout.colours, form.dtype
            )
            estimate = self._restored(model, settings, noisy)
            level = noise_level(noisy - estimate, estimate)
            self.shaken.append((noisy, settings, probe(noisy - estimate, level, source)))
        power = sum(extra.square().mean().item() for _, _, extra in self.shaken) / len(self.shaken)
        self.unit = max(power, 1e-12)
        self.first = self.risks(model)

    def change(self, risks: Tensor) -> float:
        """The mean difference of these risks from the first model's, in units of the noise power."""
        return (risks - self.first).mean().item() / self.unit

    def risks(self, model: Model) -> Tensor:
        """The risk of each block of the pictures, (blocks)."""
        found = []
        for noisy, settings, extra in self.shaken:
            restored = self._restored(model, settings, noisy)
            moved = perturbed(partial(self._restored, model, settings), noisy, restored, extra)
            risk = ((restored - noisy).square() + 2 * extra * moved).mean(1, keepdim=True)  # (1, 1, h, w)
            blocks = -(-risk.shape[-2] // RISK_BLOCK_PIXELS), -(-risk.shape[-1] // RISK_BLOCK_PIXELS)
            found.append(F.adaptive_avg_pool2d(risk, blocks).flatten())
        return torch.cat(found)

    def _restored(self, model: Model, settings: InferenceSettings, noisy: Tensor) -> Tensor:
        model.to(self.device)
        return Pipeline(model.network, model.recipe.scheme, settings).restore(noisy)


def _crop_middle(pixels: Array, side: int = HELD_OUT_PIXELS) -> Array:
    top, left = ((length - min(side, length)) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _share_progress(progress: Callable[[TrainingStatus], None] | None, number: int) -> Callable[[TrainingStatus], None] | None:
    """The progress of one round as a share of all rounds."""
    if progress is None:
        return None

    def report(status: TrainingStatus) -> None:
        share = (number + status.share) / ROUNDS
        later = (ROUNDS - 1 - number) * (status.seconds_left / max(1 - status.share, 1e-9) if status.share < 1 else 0.0)
        left = status.seconds_left + later
        progress(TrainingStatus(status.step, share, status.loss, status.images_per_second, left, status.stage))

    return report
