"""Running an ablation: each variant is trained and scored. A killed run can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation import ablations
from unnoise.evaluation.ablations.base import Variant
from unnoise.evaluation.ablations.report import Row
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.evaluation.scoring import Evaluation, evaluate
from unnoise.files.atomic import atomic_write, make_folder
from unnoise.files.locking import check_unlocked, locked
from unnoise.models.model import Model
from unnoise.training import checkpoints
from unnoise.training.options import TrainingStatus
from unnoise.training.train import train

SETTINGS, SCORES, MODEL = "ablation.json", "scores.json", "model.safetensors"

Watch = Callable[[], AbstractContextManager[Callable[[TrainingStatus], None]]]
"""Opens a display for the progress of one training."""


class AblationSettings(BaseModel):
    """What the scores of an ablation depend on. It is kept in the folder, so a resumed run cannot mix different
    settings.

    >>> AblationSettings.model_fields["ablation"].is_required()
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ablation: str
    pictures: list[str]
    data: str
    limit: int | None = None
    steps: int | None = None
    minutes: float | None = None
    refine: bool
    full: bool = False
    seed: int = 0


def run(
    settings: AblationSettings,
    output: Path,
    *,
    resume: bool = False,
    device: str | None = None,
    on_message: Callable[[str], None] = lambda message: None,
    watch: Watch | None = None,
) -> list[Row]:
    """Train and score the variants of an ablation one after the other, on the same pictures and from the same seed.

    Args:
        settings: which ablation, on what, for how long.
        output: a folder. Each variant gets a folder in it, with the files of its training and `scores.json`.
        resume: skip what is done in `output`, and continue the training that was interrupted.
        device: for training and scoring. None: the best one.
        on_message: called with a sentence about each variant's training and score.
        watch: for progress bars.

    Returns:
        One row for each variant.

    Raises:
        UsageError: an unknown ablation, nothing to train on, no clean pictures, or an output folder that holds another
            ablation.
        FolderInUseError: another run writes into the folder.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is written.
    """
    variants = ablations.lookup(settings.ablation).variants(settings.full)
    pairs = _checked(settings)
    check_unlocked(output)
    _keep(settings, output, resume)
    with locked(output):
        return _rows(variants, pairs, settings, output, device, on_message, watch)


def _rows(
    variants: Sequence[Variant],
    pairs: DataSet,
    settings: AblationSettings,
    output: Path,
    device: str | None,
    on_message: Callable[[str], None],
    watch: Watch | None,
) -> list[Row]:
    rows: list[Row] = []
    for number, variant in enumerate(variants, start=1):
        place = f"{settings.ablation} {number}/{len(variants)}, {variant.name}"
        on_message(f"{place}: {variant.recipe.denoiser.name} by {variant.recipe.name}.")
        model = _trained(variant, settings, output, device, on_message, watch)
        scores = _scored(model, pairs, settings, output / variant.name, device)
        on_message(f"{place}: {scores.restored.psnr:.2f} dB, SSIM {scores.restored.ssim:.3f}.")
        rows.append(Row.of(settings.ablation, variant, model, scores))
    return rows


def _checked(settings: AblationSettings) -> DataSet:
    """The data set to score with. Errors that would end the run after hours of training, or leave a folder behind, are
    found here."""
    for field in ("steps", "minutes", "limit"):
        value = getattr(settings, field)
        if value is not None and not value > 0:
            raise UsageError(f"An ablation with {field} {value} has nothing to do; give more than 0.")
    images.find_pictures(settings.pictures, recursive=True)
    pairs = open_set(settings.data)
    if not pairs.has_truth:
        raise UsageError(f"The data set {pairs.name} has no clean pictures to score by; give one that has them.")
    return pairs


def _keep(settings: AblationSettings, output: Path, resume: bool) -> None:
    """Write the settings down, or compare them with those of the run that is resumed."""
    path = output / SETTINGS
    if not path.is_file():
        if resume:
            raise UsageError(f"{output} holds no ablation to resume; leave out --resume to begin one.")
        make_folder(output)
        with atomic_write(path) as temporary:
            temporary.write_text(settings.model_dump_json(indent=2), encoding="utf-8")
        return
    if not resume:
        raise UsageError(f"{output} already holds an ablation; add --resume to go on with it, or choose another folder.")
    try:
        before = AblationSettings.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        raise UnnoiseError(f"{path} is damaged; delete {output} to begin again.") from error
    for field in AblationSettings.model_fields:
        was, given = getattr(before, field), getattr(settings, field)
        if was != given:
            raise UsageError(
                f"The ablation in {output} was begun with {field} {was}, not {given}; give the same, or another --out."
            )


def _trained(
    variant: Variant,
    settings: AblationSettings,
    output: Path,
    device: str | None,
    on_message: Callable[[str], None],
    watch: Watch | None,
) -> Model:
    folder = output / variant.name
    start = Model.load(output / variant.start / MODEL) if variant.start else None
    if start is not None and not variant.further:
        return Model(start.network, variant.recipe, start.card)
    if (folder / SCORES).is_file():
        return Model.load(folder / MODEL)
    steps, minutes = settings.steps, settings.minutes
    if start is not None:
        # The same number of steps for each, and not of minutes, because steps of different losses take different times.
        steps, minutes = max(1, round((start.card.steps or 0) * variant.further)), None
    options = {
        "output": folder,
        "steps": steps,
        "minutes": minutes,
        "start": start,
        "seed": settings.seed,
        "device": device,
        "resume": (folder / checkpoints.CHECKPOINT_FILE).is_file(),
        "on_message": on_message,
    }
    if watch is None:
        return train(settings.pictures, variant.recipe, **options)  # type: ignore[arg-type]
    with watch() as progress:
        return train(settings.pictures, variant.recipe, progress=progress, **options)  # type: ignore[arg-type]


def _scored(model: Model, pairs: DataSet, settings: AblationSettings, folder: Path, device: str | None) -> Evaluation:
    path = folder / SCORES
    if path.is_file():
        try:
            return Evaluation.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError, KeyError, RecursionError) as error:  # pydantic's and unicode's are ValueErrors
            raise UnnoiseError(f"{path} is damaged; remove it, and give the same command with --resume.") from error
    scores = evaluate(model.to(device or "auto"), pairs, limit=settings.limit, refine=settings.refine)
    with atomic_write(path) as temporary:
        temporary.write_text(scores.to_json(), encoding="utf-8")
    return scores
