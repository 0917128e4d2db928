"""`unnoise.train`: from noisy pictures and a recipe to a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import make_folder
from unnoise.files.locking import check_unlocked, locked
from unnoise.files.stamps import stamp
from unnoise.inference.precision import choose_device
from unnoise.models.model import Model
from unnoise.recipes import auto
from unnoise.recipes.schema import Recipe
from unnoise.training import checkpoints, logs, sources
from unnoise.training.hardware import check_libraries, is_main_process
from unnoise.training.image_pool import from_arrays, from_files
from unnoise.training.loop import Run
from unnoise.training.options import TrainingOptions, validate_options
from unnoise.training.schedule import Length


def train(
    images: sources.TrainingInput,
    recipe: str | Path | Recipe,
    *,
    output: str | Path,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    denoiser: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    start: Model | None = None,
    **options: Any,
) -> Model:
    """Train a model on noisy pictures alone.

    Args:
        images: files and folders, or arrays (H, W) and (H, W, C) of uint8, uint16 or floats in 0..1.
        recipe: a shipped name, a YAML file, a `Recipe`, or 'auto'. 'auto' chooses by the noise of the pictures, see
            `recipes.auto`; with `resume` it is the recipe of the run.
        output: folder for `model.safetensors` (always usable), `checkpoint.pt`, `log.csv`, `tensorboard/` and
            `previews/`.
        steps, minutes: length of the run. Both: whichever comes first. Neither: as the recipe says. The schedule fits
            the length.
        resume: continue from the checkpoint in `output`, exactly as if the run had never stopped.
        denoiser: another network in place of the recipe's, at its default sizes.
        overrides: fields of the recipe to change, by dotted name, as ``{"training.batch": 4}``.
        start: begin with the weights of this model. It must have the recipe's network.
        options: see `TrainingOptions`.

    Returns:
        The trained model, with averaged weights if the recipe asks for them.

    Raises:
        UsageError: nothing to train on, an unknown recipe or option, or an output folder that holds another run or
            other files.
        UnnoiseError: the loss is not finite any more, a checkpoint is damaged, the disk is full, or another run writes
            into the folder.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.

    >>> import tempfile
    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).integers(90, 110, (40, 40, 3), np.uint8)
    >>> small = {"denoiser.features": 4, "denoiser.modules": 1, "training.crop": 16, "training.batch": 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = train([noisy], "ap-bsn", output=folder, steps=1, overrides=small, device="cpu")
    >>> model.card.steps
    1
    """
    check_libraries()
    made = validate_options(
        TrainingOptions, output=output, length=validate_options(Length, steps=steps, minutes=minutes), **options
    )
    if start is not None and not isinstance(start, Model):
        raise UsageError(f"A training starts from a model, got {type(start).__name__}; load it with unnoise.load.")
    changes = ({"denoiser": {"name": denoiser}} if denoiser else {}) | dict(overrides or {})
    files, arrays = sources.split_inputs(images, made.output)
    if is_main_process():
        check_unlocked(made.output)
    before = stamp(made.output / checkpoints.CHECKPOINT_FILE)
    saved = _saved_state(made.output, resume)  # before the pictures are decoded, which takes long
    sentence = None
    if recipe == auto.AUTO and saved is not None:
        recipe = checkpoints.recipe_of(saved, made.output)
    elif recipe == auto.AUTO:
        found = auto.choose(arrays or files, quick=choose_device(made.device).type == "cpu")
        recipe, changes, sentence = found.recipe, found.overrides | changes, found.sentence
    chosen = recipes.load(recipe, changes)
    if steps is None and minutes is None:
        made.length = Length(steps=chosen.training.steps)
    run = Run(chosen, made)
    make_folder(made.output)
    with locked(made.output) if is_main_process() else nullcontext():
        if before != stamp(made.output / checkpoints.CHECKPOINT_FILE):
            raise UnnoiseError(f"Another run has just written into {made.output}; add --resume to go on with it.")
        if sentence:
            run.options.on_message(sentence)
        channels, rule = run.network.sizes.get("channels", 3), chosen.normalization
        pool = from_arrays(arrays, channels, normalization=rule) if arrays else from_files(files, channels, normalization=rule)
        for sentence in pool.skipped:
            run.options.on_message(f"Skipped: {sentence}")
        return run.go(pool, [f"{len(arrays)} arrays"] if arrays else _by_folder(files), saved, start)


def _by_folder(files: Sequence[Path]) -> list[str]:
    """'768 pictures of sidd_val/noisy', for the card: what was used, and not where it was."""
    counts = Counter("/".join(file.absolute().parts[-3:-1]) for file in files)
    return [f"{count} pictures of {folder}" for folder, count in counts.items()]


def _saved_state(output: Path, resume: bool) -> dict[str, Any] | None:
    saved = checkpoints.load(output)
    if saved is not None and not resume:
        raise UsageError(f"{output} already holds a run; add --resume to go on with it, or choose another folder.")
    model = output / checkpoints.MODEL_FILE
    if saved is None and resume:
        remedy = (
            f"begin a run in another folder, with --start {model}" if model.exists() else "leave out --resume to begin a run"
        )
        raise UsageError(f"{output} holds no checkpoint to resume from; {remedy}.")
    log = output / logs.LOG_FILE
    # A log of ours alone is of a run that ended before its first checkpoint: nothing to go on from, and nothing to
    # lose.
    taken = model if model.exists() else log if log.exists() and not logs.is_log(log) else None
    if saved is None and taken:
        raise UsageError(f"{taken} is there already; choose another folder, or remove it.")
    return saved
