"""The state of a run on disk: one file, replaced as a whole. A run continues from it as if it had never stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.archive_checksums import damaged_record
from unnoise.files.atomic import atomic_write
from unnoise.models.stored_tensors import find_unstored
from unnoise.recipes.schema import Recipe

CHECKPOINT_FILE = "checkpoint.pt"
MODEL_FILE = "model.safetensors"
UNTRAINED_FIELDS = "name", "source", "refinement", "ensemble", "bias_correction", "detail", "half_size", "bounded"
"""Fields of a recipe that do not affect training."""
CHANGEABLE_FIELDS = ("training.learning_rate",)
"""Fields that a run may change when it goes on, such as after a loss that was not finite."""
MOST_STEPS = 10**15
"""More is damage."""
STATE_TYPES: dict[str, type | tuple[type, ...]] = {
    "network": dict,
    "average": dict,
    "optimizer": dict,
    "step": int,
    "seconds": (int, float),
    "seed": int,
    "recipe": str,
    "pool": str,
}
"""The parts of a state, and their types."""


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers and text in dicts and lists) to the folder's checkpoint.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder), {"step": 3})
    ...     exists(Path(folder))
    True
    """
    with atomic_write(folder / CHECKPOINT_FILE) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch reports a full disk like this
            raise OSError("the disk is full, or failed") from error


def exists(folder: Path) -> bool:
    """Whether there is a checkpoint to continue from.

    >>> exists(Path("none"))
    False
    """
    return (folder / CHECKPOINT_FILE).is_file()


def remove_run_files(folder: Path) -> None:
    """Make a folder free for another run. Targets that were computed for the scheme stay.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder), {"step": 3})
    ...     remove_run_files(Path(folder))
    ...     exists(Path(folder))
    False
    """
    for name in (CHECKPOINT_FILE, MODEL_FILE):
        (folder / name).unlink(missing_ok=True)


def load(folder: Path) -> dict[str, Any] | None:
    """The folder's checkpoint on the CPU. None if there is none. Raises `UnnoiseError` if it is damaged.

    >>> load(Path("none")) is None
    True
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    with report_damage(path):
        if damaged_record(path):
            raise ValueError("a record has another checksum")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if wrong := find_unstored(state, path.stat().st_size) or _find_damage(state):
            raise ValueError(wrong)
    return cast(dict[str, Any], state)


@contextmanager
def report_damage(path: Path) -> Iterator[None]:
    """Turn any error in the block into one that says that the checkpoint is damaged.

    >>> with report_damage(Path("checkpoint.pt")):
    ...     json.loads("{")
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: The checkpoint checkpoint.pt is damaged; begin again in another folder.
    """
    try:
        yield
    except (UnnoiseError, MemoryError):
        raise
    except Exception as error:  # damaged bytes, and files that are no checkpoint, raise many kinds of errors
        raise UnnoiseError(f"The checkpoint {path} is damaged; begin again in another folder.") from error


def _find_damage(state: Any) -> str | None:
    """What is wrong with a state, or None."""
    if not isinstance(state, dict):
        return "it is no dict"
    for key, kind in STATE_TYPES.items():
        if not isinstance(state.get(key), kind) or isinstance(state[key], bool):
            return f"{key} is missing or of another kind"
    if not 0 <= state["step"] <= MOST_STEPS or not 0 <= state["seconds"] < math.inf:
        return "the run has a length that it cannot have"
    for part in ("network", "average"):
        if not all(isinstance(value, Tensor) and bool(value.isfinite().all()) for value in state[part].values()):
            return f"{part} holds no weights, or some that are no finite numbers"
    return None


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer the moments that a checkpoint holds. Its rates and other options stay as the recipe says.

    Raises:
        ValueError: they belong to another network, or no optimizer has such. Other damage raises other errors.

    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> adam = torch.optim.Adam([weight])
    >>> restore_optimizer(adam, torch.optim.Adam([weight]).state_dict())
    """
    options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)
    for parameter, moments in optimizer.state.items():  # the optimizer itself would fail in the middle of a step
        for name, moment in moments.items():
            if moment.dim() and moment.shape != parameter.shape:
                raise ValueError("The optimizer's state belongs to another network.")
            if not moment.isfinite().all() or (name in ("step", "exp_avg_sq") and bool((moment < 0).any())):
                raise ValueError("The optimizer's state has values that none has.")


def recipe_of(saved: dict[str, Any], folder: Path) -> Recipe:
    """The recipe of the run in `folder`, from its checkpoint. Raises `UnnoiseError` if it cannot be read.

    >>> recipe_of({"recipe": recipes.load("ap-bsn").model_dump_json()}, Path("out")).name
    'ap-bsn'
    """
    with report_damage(folder / CHECKPOINT_FILE):
        fields = json.loads(saved["recipe"])
    try:
        return recipes.validate(fields, str(folder / CHECKPOINT_FILE))
    except UsageError as error:
        raise UnnoiseError(
            f"The checkpoint {folder / CHECKPOINT_FILE} holds no recipe of this version ({str(error).rstrip('.')}); "
            "begin again in another folder."
        ) from error


def check_compatible(saved: dict[str, Any], recipe: Recipe, seed: int, folder: Path) -> None:
    """Raise `UsageError` if the run in `folder` cannot continue with this recipe and seed, and say what differs.

    Fields that an older version did not have get their defaults. Fields that do not affect training may change,
    and those of `CHANGEABLE_FIELDS`.

    >>> recipe = recipes.load("ap-bsn")
    >>> check_compatible({"recipe": recipe.model_dump_json(), "seed": 0}, recipe, 0, Path("out"))
    """
    before = recipe_of(saved, folder)
    one, other = (_flat(x.model_dump(mode="json", exclude=set(UNTRAINED_FIELDS))) for x in (before, recipe))
    differing = [field for field in one | other if one.get(field) != other.get(field) and field not in CHANGEABLE_FIELDS]
    if differing:
        differences = ", ".join(f"{field} was {one.get(field)} and is {other.get(field)}" for field in differing[:3])
        raise UsageError(
            f"The run in {folder} follows another recipe ({differences}); give the same one, or choose another folder."
        )
    if saved["seed"] != seed:
        raise UsageError(f"The run in {folder} has the seed {saved['seed']}; give the same one.")


def _flat(fields: dict[str, Any], under: str = "") -> dict[str, Any]:
    """{"scheme": {"name": …}} → {"scheme.name": …}."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flat(value, f"{under}{key}.") if isinstance(value, dict) else {under + key: value}
    return flat
