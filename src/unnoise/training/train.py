"""`unnoise.train`: from noisy pictures and a recipe to a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import make_folder
from unnoise.files.locking import check_unlocked, locked
from unnoise.files.stamps import stamp
from unnoise.inference.precision import choose_device
from unnoise.models import shipped
from unnoise.models.channels import weights_for
from unnoise.models.model import Model
from unnoise.recipes import auto
from unnoise.recipes.schema import Recipe
from unnoise.training import checkpoints, logs, sources
from unnoise.training.compared import compared
from unnoise.training.crop_store import crop_store_of
from unnoise.training.hardware import check_libraries, is_main_process
from unnoise.training.image_pool import from_arrays, from_files
from unnoise.training.loop import Run
from unnoise.training.options import TrainingOptions, TrainingStatus, validate_options
from unnoise.training.paired_pool import from_pairs
from unnoise.training.schedule import Length

NO_START = "none"
"""In place of the name of a model to begin with: random weights."""


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
    start: Model | str | Path | None = None,
    targets: sources.TrainingInput | None = None,
    axes: str | None = None,
    compare: bool = True,
    accept: bool = False,
    **options: Any,
) -> Model:
    """Train a model on noisy pictures alone.

    Args:
        images: files and folders, or arrays (H, W), (H, W, C) and (N, H, W, C) of whole numbers or floats. Stacks are
            read frame by frame, and channels that are no colors count as single pictures. Or the folder of a store that
            `unnoise data prepare` made.
        recipe: a shipped name, a YAML file, a `Recipe`, or 'auto'. 'auto' chooses by the pictures, see `recipes.auto`,
            and goes on from a shipped model; with `resume` it is the recipe of the run.
        output: folder for `model.safetensors` (always usable), `checkpoint.pt`, `log.csv`, `tensorboard/` and
            `previews/`.
        steps, minutes: length of the run. Both: whichever comes first. Neither: as the recipe says. The schedule fits
            the length.
        resume: continue from the checkpoint in `output`, exactly as if the run had never stopped.
        denoiser: another network in place of the recipe's, at its default sizes.
        overrides: fields of the recipe to change, by dotted name, as ``{"training.batch": 4}``.
        start: begin with the weights of this model, or its name or file. It must have the recipe's network; only the
            number of channels may differ. None: as the recipe says. 'none': begin with random weights.
        targets: a second picture of each of `images`, in the same order and form. The scheme *supervised* wants clean
            ones, *noise2noise* other exposures; other schemes take none.
        axes: of arrays, `.npy` and Zarr files, one letter for each axis: 'TYX', 'TCYX'. See `unnoise.images.open`.
        compare: compare the model with the noisy pictures and with the shipped model 'default', and note the result in
            the model's card. This takes about a minute.
        accept: do not note in the card that the model is worse.
        options: see `TrainingOptions`.

    Returns:
        The trained model, with averaged weights if the recipe asks for them. Where it is worse than the noisy pictures or
        'default', its card has a `warning`, which also is a Python warning here and when the model is loaded.

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
    if start is not None and not isinstance(start, Model | str | Path):
        raise UsageError(f"A training starts from a model, got {type(start).__name__}; load it with unnoise.load.")
    if not is_main_process():
        made.on_message, made.progress = lambda sentence: None, None  # the first process tells
    tell = _stages(made)
    changes = ({"denoiser": {"name": denoiser}} if denoiser else {}) | dict(overrides or {})
    store = crop_store_of(images)
    if store is not None and targets is not None:
        raise UsageError("A store brings its own clean crops; leave out the targets.")
    files, arrays = ([], list(store.noisy)) if store else sources.split_inputs(images, made.output)
    pairs = None if targets is None else sources.pair_up(files or arrays, *sources.split_inputs(targets, made.output))
    if is_main_process():
        check_unlocked(made.output)
    before = stamp(made.output / checkpoints.CHECKPOINT_FILE)
    saved = _saved_state(made.output, resume)  # before the pictures are decoded, which takes long
    sentence, is_default_start = None, False
    if recipe == auto.AUTO and saved is not None:
        recipe = checkpoints.recipe_of(saved, made.output)
    elif recipe == auto.AUTO:
        tell("measuring the noise of a sample of the pictures")
        quick = choose_device(made.device).type == "cpu"
        found = auto.choose(arrays or files, quick=quick, shipped=start is None, axes=axes)
        recipe, changes, sentence = found.recipe, found.overrides | changes, found.sentence
        start, is_default_start = found.start or start, bool(found.start)
    elif start is None and isinstance(recipe, str | Path):
        start, is_default_start = recipes.start(recipe) or None, True
    chosen = recipes.load(recipe, changes)
    has_targets = pairs is not None or (store is not None and store.clean is not None and chosen.scheme.needs_targets)
    _check_targets(chosen, has_targets)
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
        tell("reading the pictures")
        progress = _files_read(tell) if made.progress else None
        second = None
        if store is not None:
            pool, second = store.pools(channels, with_clean=has_targets)
        elif pairs is not None:
            pool, second = from_pairs(*pairs, channels, axes=axes, progress=progress)
        elif arrays:
            pool = from_arrays(arrays, channels, axes=axes, normalization=rule)
        else:
            pool = from_files(files, channels, axes=axes, normalization=rule, progress=progress)
        for sentence in pool.skipped:
            run.options.on_message(f"Skipped: {sentence}")
        begin = None
        if start not in (None, NO_START) and saved is None:
            begin = _start_weights(run, start if isinstance(start, Model) else shipped.load(start), is_default_start)
        described = [f"{len(arrays):,} crops of {Path(store.header.data).name}"] if store else [f"{len(arrays)} arrays"]
        model = run.go(pool, described if arrays else _by_folder(files), saved, begin, second)
        if not compare or not run.accelerator.is_main_process:
            return model
        tell("comparing the model with the noisy pictures and with 'default'", 1.0)
        return compared(model, arrays or files, made.output / checkpoints.MODEL_FILE, axes=axes, accept=accept)


def _stages(options: TrainingOptions) -> Callable[..., None]:
    """Report what is being done before the first step, and after the last one."""

    def tell(stage: str, share: float = 0.0) -> None:
        if options.progress:
            options.progress(TrainingStatus.of_stage(stage, share=share))

    return tell


def _files_read(tell: Callable[..., None]) -> Callable[[int, int], None]:
    return lambda done, count: tell(f"reading the pictures, {done} of {count} files")


def _check_targets(recipe: Recipe, given: bool) -> None:
    """Raise `UsageError` unless targets are given exactly where the recipe's scheme wants them."""
    wanted, name = recipe.scheme.needs_targets, getattr(recipe.scheme, "name", "")
    if wanted and not given:
        raise UsageError(
            f"The scheme '{name}' learns from pairs, and no targets are given; name a data set of pairs, as pairs:DIR, or give "
            "--targets."
        )
    if given and not wanted:
        raise UsageError(f"The scheme '{name}' learns from noisy pictures alone; leave out the targets, or choose supervised.")
    if wanted and recipe.normalization is not None:
        raise UsageError(
            f"The scheme '{name}' takes pairs as they are, as each would be normalized by its own range; set normalization=full."
        )


def _start_weights(run: Run, start: Model, is_default: bool) -> dict[str, Tensor] | None:
    """The weights to begin with. None: random ones, as the recipe's own start does not fit a changed network.

    Raises `UsageError` if a model that was asked for does not fit.
    """
    weights = weights_for(run.network, start.network)
    if weights is not None:
        return weights
    own = f"({run.recipe.denoiser.name}, {run.network.sizes})"
    if is_default:
        run.options.on_message(
            f"The network {own} is another one than that of the shipped model, so it begins with random weights."
        )
        return None
    raise UsageError(
        f"The model to begin with has another network ({denoisers.name_of(start.network)}, {start.network.sizes}) than the "
        f"recipe {own}; choose another, or set denoiser.name and its sizes."
    )


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
