"""The state of a run on disk: one file, replaced whole, from which the run goes on as if it had never stopped."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import written_whole
from unnoise.recipes.schema import Recipe

NAME = "checkpoint.pt"
AFTERWARDS = "name", "source", "refinement", "ensemble", "light", "detail"
"""Fields of a recipe that training does not look at."""


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers and text in dicts and lists) to the folder's checkpoint."""
    with written_whole(folder / NAME) as temporary:
        torch.save(state, temporary)


def load(folder: Path) -> dict[str, Any] | None:
    """The folder's checkpoint on the CPU, or None when there is none. Raises `UnnoiseError` when it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UnnoiseError(f"The checkpoint {path} is damaged; delete it to start again.") from error
    return state


def check(saved: dict[str, Any], recipe: Recipe, seed: int, folder: Path) -> None:
    """Raise `UsageError` where the run in `folder` cannot go on with this recipe and seed, and say what differs.

    Fields that an older version did not know have their defaults; what concerns the application alone may change.
    """
    before = recipes.validate(json.loads(saved["recipe"]), str(folder / NAME))
    one, other = (_flat(x.model_dump(mode="json", exclude=set(AFTERWARDS))) for x in (before, recipe))
    differing = [field for field in one | other if one.get(field) != other.get(field)]
    if differing:
        told = ", ".join(f"{field} was {one.get(field)} and is {other.get(field)}" for field in differing[:3])
        raise UsageError(f"The run in {folder} follows another recipe ({told}); give the same one, or choose another folder.")
    if saved["seed"] != seed:
        raise UsageError(f"The run in {folder} has the seed {saved['seed']}; give the same one.")


def _flat(fields: dict[str, Any], under: str = "") -> dict[str, Any]:
    """{"scheme": {"name": …}} → {"scheme.name": …}."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flat(value, f"{under}{key}.") if isinstance(value, dict) else {under + key: value}
    return flat
