"""Training the recipes of a comparison, once for each seed. A run that is finished is not made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.files.atomic import atomic_write
from unnoise.training import checkpoints
from unnoise.training.train import train

FINISHED = "finished.json"
"""What a finished run was made with; the file is there only when the run is finished."""

Pictures = tuple[list[Any], list[Any] | None]
"""What a recipe learns from: noisy pictures and, where it takes pairs, their targets."""


class RunSettings(BaseModel):
    """The length of every run.

    >>> RunSettings(steps=100).minutes is None
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int | None = None
    minutes: float | None = None


def train_recipes(
    names: Sequence[str],
    seeds: Sequence[int],
    pictures: Callable[[str], Pictures],
    output: Path,
    settings: RunSettings,
    *,
    device: str | None = None,
    on_message: Callable[[str], None] = lambda sentence: None,
    watch: Callable[[], AbstractContextManager[Any]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Train each recipe with each seed, in a folder of its own.

    Args:
        names: of recipes, or their files.
        seeds: of the runs of each recipe.
        pictures: from a recipe's name to what it learns from.
        output: the runs are folders in it.
        settings: the length of the runs.
        device: as `unnoise.train` takes it.
        on_message: called with sentences.
        watch: makes a context that gives a run's progress function.

    Returns:
        For each recipe the folders of its models, by seed.

    Raises:
        UsageError: an unknown recipe, or one or a seed that is given twice, or a folder with a run of other settings.

    >>> train_recipes([], [0], lambda name: ([], None), Path("none"), RunSettings(steps=1))
    {}
    """
    for given in (names, seeds):
        if len(set(given)) < len(given):
            raise UsageError(f"'{next(one for one in given if list(given).count(one) > 1)}' is given twice; give it once.")
    made: dict[str, tuple[str, ...]] = {}
    for name in names:
        recipe = recipes.load(name)
        folders = []
        for seed in seeds:
            folder = output / f"{recipe.name}-seed{seed}"
            wanted = {"recipe": recipe.model_dump(mode="json"), "seed": seed} | settings.model_dump()
            if not _is_finished(folder, wanted):
                noisy, targets = pictures(name)
                options: dict[str, Any] = {"seed": seed, "device": device, "compare": False, "on_message": on_message}
                on_message(f"{recipe.name}, seed {seed}")
                with watch() if watch else nullcontext() as progress:
                    train(
                        noisy,
                        recipe,
                        output=folder,
                        resume=checkpoints.exists(folder),
                        targets=targets,
                        progress=progress,
                        **settings.model_dump(),
                        **options,
                    )
                with atomic_write(folder / FINISHED) as temporary:
                    temporary.write_text(json.dumps(wanted), encoding="utf-8")
            folders.append(str(folder))
        made[recipe.name] = tuple(folders)
    return made


def _is_finished(folder: Path, wanted: dict[str, Any]) -> bool:
    try:
        found = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{folder / FINISHED} is damaged; remove the folder {folder}.") from error
    if found != wanted:
        raise UsageError(f"{folder} holds a run of other settings; give another folder with --out.")
    return True
