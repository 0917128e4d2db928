"""`--adapt`: a trained model learns on, by its own scheme, on the very pictures that it is to restore.

It learns in rounds of the training loop, each with a falling rate. After each round a risk that needs no truth (Stein's, by Monte
Carlo; see `schemes.risk_averaged`) is taken on parts of the pictures that were held out; the noise's power, the one thing in it that is
not known, is the same for both models and cancels in their difference. The first round that does not lower it,
by more than chance explains, ends the work, and the best model so far is what comes out: at worst the one that went in.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import images, recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.precision import choose_device
from unnoise.inference.settings import InferenceSettings
from unnoise.models import shipped
from unnoise.models.model import Model
from unnoise.noise.residual_noise import noise_level, perturbed, probe
from unnoise.schemes.base import Scheme
from unnoise.training import checkpoints
from unnoise.training.hardware import check_libraries
from unnoise.training.options import TrainingOptions, TrainingStatus, validate_options
from unnoise.training.schedule import Length
from unnoise.training.sources import Array, TrainingInput, split_inputs
from unnoise.training.train import train

ROUNDS = 4
LEARNING_RATE_FACTOR = 0.25
"""Of the recipe's rate of learning, at the start of each round."""
MIN_PICTURES_TO_HOLD_OUT = 5
"""From so many pictures on whole pictures are held out, of fewer a band of rows in each."""
MAX_HELD_OUT_PICTURES = 6
"""Pictures that are held out, at most."""
HELD_OUT_PIXELS = 256
"""Of each picture held out so many pixels a side are looked at."""
RISK_BLOCK_PIXELS = 16
"""Side in pixels of the blocks whose risks are compared."""
SIGNIFICANCE_STANDARD_ERRORS = 2.0
"""Standard errors by which the risk must have fallen. Without them a change of 0.2 of the noise's power, told by one band of 64 rows,
once came with a true loss of 1.1 dB."""
MAX_TEACHER_PIXELS = 2_000_000
"""Pixels that teachers are shown, of all pictures together: the best one that ships takes a core two minutes for a million."""
MIN_TEACHER_SIDE_PIXELS = 256
"""Side in pixels of what they are shown of each picture, at least."""
MIN_BAND_ROWS = 64
"""Rows of a band that is held out, at least, where the picture has three times as many."""


@dataclass(frozen=True)
class Adapted:
    """What came of it."""

    model: Model
    """With the recipe it had before."""
    rounds: int
    """How many of the rounds that were run are in the model."""
    change: float
    """Of the risk on what was held out, in units of the noise's power: below 0 better; 0: the model as it was."""

    def sentence(self) -> str:
        """What came of it, in one sentence."""
        if not self.rounds:
            return "Adapting brought nothing by the risk on what was held out; the model stays as it was."
        return (
            f"Adapted: the error on what was held out fell by an estimated {-self.change:.1%} of the noise's power "
            f"after {self.model.card.steps} steps."
        )


def adapt(
    model: Model,
    pictures: TrainingInput,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: Callable[[TrainingStatus], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
) -> Adapted:
    """Let a model learn on pictures without truth, and keep that if it is better by a criterion that needs none.

    Args:
        model: stays as it is. Its scheme must be able to train it: a distilled student needs the teachers that its recipe names.
        pictures: files and folders, or arrays, as `unnoise.train` takes them; one is enough.
        steps, minutes: at most so many of training; taking the risk comes on top.
        device, progress, on_message: as `unnoise.train` takes them.
        seed: of the crops and all other draws.

    Returns:
        The model after the last round that was kept, or as it was.

    Raises:
        UsageError: neither steps nor minutes, no picture that can be read, or a model whose scheme cannot train it here.
    """
    check_libraries()
    if not steps and not minutes:
        raise UsageError("Adapting needs a length; give steps or minutes.")
    length = validate_options(Length, steps=steps, minutes=minutes)
    validate_options(
        TrainingOptions, output="", length=length, seed=seed, device=device, progress=progress, on_message=on_message
    )
    is_taught = _bind_scheme(model).companions is not None
    learning, held = _hold_out(pictures, on_message)
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
    best, lowest, kept, seen = model, criterion.first, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            left = None if steps is None else (steps - seen) // (ROUNDS - number)
            if left == 0:  # fewer steps than rounds
                continue
            trained = train(
                learning,
                recipe,
                output=folder,
                start=best,
                steps=left,
                minutes=minutes / ROUNDS if minutes else None,
                seed=seed + number,
                device=place,
                progress=_share_progress(progress, number),
                checkpoint_seconds=math.inf,
                preview_seconds=math.inf,
            )
            checkpoints.remove_run_files(Path(folder))  # or the next round would be taken for a run begun anew
            seen += trained.card.steps or 0
            risks = criterion.risks(trained)
            if not is_significantly_lower(risks, lowest):
                break
            best, lowest, kept = trained, risks, number + 1
    change = criterion.change(lowest)
    card = model.card.model_copy(
        update={
            "description": f"{model.card.description} Adapted in {seen} steps to {len(learning)} other pictures or parts.".strip(),
            "steps": seen,
            "scores": {},
        }
    )
    return Adapted(Model(best.network, model.recipe, card) if kept else model, kept, change)


def is_significantly_lower(risks: Tensor, others: Tensor) -> bool:
    """Whether risks, (blocks) each, are lower on average, by more than chance among the blocks explains."""
    difference = (risks - others).double()
    doubt = difference.std().item() / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return difference.mean().item() + SIGNIFICANCE_STANDARD_ERRORS * doubt < 0


def parse_length(text: str) -> dict[str, Any]:
    """'200' → 200 steps, '3m' → 3 minutes, as `adapt` takes them. Raises `UsageError` for anything else."""
    try:
        length: dict[str, Any] = {"minutes": float(text[:-1])} if text.endswith("m") else {"steps": int(text)}
        if all(0 < value < math.inf for value in length.values()):
            return length
    except ValueError:
        pass
    raise UsageError(f"--adapt takes steps, as 200, or minutes, as 3m; got '{text}'.")


def _bind_scheme(model: Model) -> Scheme:
    """The model's scheme with the teachers that it asks for. Raises `UsageError` where there are none such."""
    try:
        return model.recipe.scheme.bind(shipped.load, model.network)
    except UsageError as error:
        able = [name for name in shipped.names() if _is_trainable(shipped.load(name))]
        raise UsageError(
            f"This model cannot learn on by its own scheme, '{model.recipe.scheme.name}': {str(error).rstrip('.')}. "  # type: ignore[attr-defined]
            f"Of the shipped models {', '.join(able) or 'none'} can adapt."
        ) from error


def _is_trainable(model: Model) -> bool:
    try:
        model.recipe.scheme.bind(shipped.load, model.network)
    except UsageError:
        return False
    return True


def _hold_out(pictures: TrainingInput, on_message: Callable[[str], None]) -> tuple[list[Any], list[Array]]:
    """What is learned from, as `train` takes it, and what is held out: whole pictures, or bands of rows."""
    files, arrays = split_inputs(pictures)
    sources: list[Any] = arrays or files
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


def _read(source: Any, on_message: Callable[[str], None]) -> Array | None:
    if isinstance(source, np.ndarray):
        return source
    try:
        return images.read(source).pixels
    except UnnoiseError as error:
        on_message(f"Skipped: {error}")
        return None


def _crop_middles(pictures: Sequence[Any], on_message: Callable[[str], None]) -> list[Any]:
    """The middle of each that can be read, of `MAX_TEACHER_PIXELS` pixels in all or hardly more."""
    side = max(MIN_TEACHER_SIDE_PIXELS, math.isqrt(MAX_TEACHER_PIXELS // max(1, len(pictures))))
    return [_crop_middle(pixels, side) for pixels in (_read(picture, on_message) for picture in pictures) if pixels is not None]


class _Criterion:
    """The risks of models on the same noise, shaken in the same way."""

    def __init__(self, model: Model, held: Sequence[Array], device: str, seed: int) -> None:
        self.device = device
        source = torch.Generator().manual_seed(seed)
        self.shaken: list[tuple[Tensor, InferenceSettings, Tensor]] = []
        for pixels in held:
            noisy, form = images.to_tensor(_crop_middle(pixels), levels=model.recipe.levels)  # (1, C, h, w)
            settings = InferenceSettings(precision="float32", normalization=model.recipe.levels).of_kind(
                form.layout.colours, form.dtype
            )
            estimate = self._restored(model, settings, noisy)
            level = noise_level(noisy - estimate, estimate)
            self.shaken.append((noisy, settings, probe(noisy - estimate, level, source)))
        power = sum(extra.square().mean().item() for _, _, extra in self.shaken) / len(self.shaken)
        self.unit = max(power, 1e-12)
        self.first = self.risks(model)

    def change(self, risks: Tensor) -> float:
        """How much higher these risks are than the first model's, in units of the noise's power."""
        return (risks - self.first).mean().item() / self.unit

    def risks(self, model: Model) -> Tensor:
        """Of each block of the pictures, (blocks)."""
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
    """The progress of one round as a share of all."""
    if progress is None:
        return None

    def tell(status: TrainingStatus) -> None:
        share = (number + status.share) / ROUNDS
        later = (ROUNDS - 1 - number) * (status.seconds_left / max(1 - status.share, 1e-9) if status.share < 1 else 0.0)
        progress(TrainingStatus(status.step, share, status.loss, status.images_per_second, status.seconds_left + later))

    return tell
