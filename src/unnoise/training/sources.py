"""The pictures that a training learns from: those that the user gave, without those that trainings wrote."""

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
"""Folders in a run's folder that hold no pictures of the user."""
RUN_FILES = checkpoints.CHECKPOINT_FILE, checkpoints.MODEL_FILE
"""A folder that has one of these files is a run's folder."""

Array = NDArray[Any]
TrainingInput = Sequence[str | Path | Array] | str | Path | Array


def split_inputs(given: TrainingInput, output: Path | None = None) -> tuple[list[Path], list[Array]]:
    """Either the files, as `find` gives them, or the arrays. An array with four axes counts as several.

    Raises:
        UsageError: as `find`, and if the input is neither.

    >>> files, arrays = split_inputs(np.zeros((5, 8, 8, 3)))
    >>> len(files), len(arrays)
    (0, 5)
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
            raise UsageError(f"A training takes either files and folders or numpy arrays, got {type(one).__name__}.")
    return find(several, output), []


def pair_up(
    pictures: Sequence[Path] | Sequence[Array], files: Sequence[Path], arrays: Sequence[Array]
) -> tuple[list[Path | Array], list[Path | Array]]:
    """The pictures and their targets, which are files or arrays, as lists of one length.

    Raises:
        UsageError: their numbers differ.

    >>> pair_up([np.zeros((4, 4))], [], [np.ones((4, 4))])[1][0].max()
    np.float64(1.0)
    """
    targets: list[Path | Array] = [*files, *arrays]
    if len(targets) != len(pictures):
        raise UsageError(f"There are {len(pictures):,} noisy pictures and {len(targets):,} targets; give one target for each.")
    return list(pictures), targets


def find(given: Sequence[str | Path], output: Path | None = None) -> list[Path]:
    """The picture files in the given files and folders, each one once, also in folders of folders.

    Pictures that a training wrote are left out. Otherwise a resumed run would learn from its own previews, and a second
    run in the same folder from those of the first.

    Args:
        given: files, folders and patterns. A file is always taken.
        output: the run's folder. Everything in it is left out. If it contains a given folder, only what trainings write
            is left out.

    Raises:
        UsageError: as `images.find_pictures`, and if no picture is left.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((32, 40), np.uint8))
    ...     [path.name for path in find([folder])]
    ['a.npy']
    """
    named = [Path(path) for path in given]
    if not named:
        raise UsageError("There is nothing to train on; give some pictures.")
    output = output.resolve() if output else None
    found: dict[Path, None] = {}  # an ordered set
    for path in named:
        inside = output is not None and not path.resolve().is_relative_to(output)
        for file in find_pictures([path], recursive=True):
            if file == path or not _is_written(file.resolve(), output, inside):
                found[file] = None
    if not found:
        raise UsageError(
            f"In {', '.join(map(str, named))} are only files that a training wrote; give noisy pictures to learn from."
        )
    return list(found)


def _is_written(file: Path, output: Path | None, inside: bool) -> bool:
    """Whether a training wrote the file. If `inside`, everything in `output` counts."""
    if output and inside and file.is_relative_to(output):
        return True
    for folder in file.parents:
        if folder.name in RUN_FOLDERS:
            run = folder.parent
            if run == output or any((run / mark).is_file() for mark in RUN_FILES):
                return True
    return False
