"""What a training learns from: the pictures that are given, without those that trainings wrote among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError
from unnoise.images import find_pictures
from unnoise.training import checkpoints

RUN_FOLDERS = "previews", "teachers", "tensorboard"
"""Folders in a run's folder that hold no pictures of the user's."""
RUN_FILES = checkpoints.CHECKPOINT_FILE, checkpoints.MODEL_FILE
"""By one of these a folder is known for a run's."""

Array = NDArray[Any]
TrainingInput = Sequence[str | Path | Array] | str | Path | Array


def split_inputs(given: TrainingInput, output: Path | None = None) -> tuple[list[Path], list[Array]]:
    """Either the files, as `find` gives them, or the arrays, of which one of four axes counts as several.

    Raises:
        UsageError: as `find`, and for anything else than either.
    """
    several: list[Any]
    if isinstance(given, np.ndarray):
        several = list(given) if given.ndim == 4 else [given]
    elif isinstance(given, str | Path):
        several = [given]
    else:
        several = list(given) if isinstance(given, Sequence) else [given]
    if several and all(isinstance(one, np.ndarray) for one in several):
        return [], several
    for one in several:
        if not isinstance(one, str | Path):
            raise UsageError(f"A training learns either from files and folders or from numpy arrays, got {type(one).__name__}.")
    return find(several, output), []


def find(given: Sequence[str | Path], output: Path | None = None) -> list[Path]:
    """The picture files that `given` stands for, each once; folders of folders count.

    Without these a run would learn from its own previews when it goes on, and another run in the same folder from those of the first.

    Args:
        given: files, which are taken whatever they are, folders and patterns.
        output: the run's folder. What lies in it is left out; of one that holds a given folder itself, what training writes there.

    Raises:
        UsageError: as `images.find_pictures`, and where nothing else is left.
    """
    named = [Path(path) for path in given]
    if not named:
        raise UsageError("There is nothing to train on; give some pictures.")
    output = output.resolve() if output else None
    found: dict[Path, None] = {}  # a set that keeps the order
    for path in named:
        inside = output is not None and not path.resolve().is_relative_to(output)
        for file in find_pictures([path], recursive=True):
            if file == path or not _is_written(file.resolve(), output, inside):
                found[file] = None
    if not found:
        raise UsageError(
            f"In {', '.join(map(str, named))} lies nothing but what a training wrote there; give noisy pictures to learn from."
        )
    return list(found)


def _is_written(file: Path, output: Path | None, inside: bool) -> bool:
    """Whether a training wrote it; `inside`: all that lies in `output` counts."""
    if output and inside and file.is_relative_to(output):
        return True
    for folder in file.parents:
        if folder.name in RUN_FOLDERS:
            run = folder.parent
            if run == output or any((run / mark).is_file() for mark in RUN_FILES):
                return True
    return False
