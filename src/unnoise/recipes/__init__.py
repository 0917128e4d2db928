"""The recipes: YAML files that name a denoiser, a scheme, a refinement and their parameters. Listing them does not
import torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from unnoise.errors import UsageError, explain_validation
from unnoise.files.limits import YAML_BYTES
from unnoise.files.plain_yaml import load_plain
from unnoise.recipes.old_fields import rename_old_fields

if TYPE_CHECKING:
    from unnoise.recipes.applied import AppliedRecipe
    from unnoise.recipes.schema import Recipe

_FOLDER = Path(__file__).parent
SHORT_FORMS = {"bias_correction": "curve", "normalization": "of"}
"""The inner field that is meant where text stands for all fields of one; for the others it is `name`."""


def names() -> list[str]:
    """The names of the shipped recipes.

    >>> "at-bsn" in names()
    True
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def source(name: str) -> str:
    """The paper of a shipped recipe. The rest of the file is not checked.

    >>> source("ap-bsn")[:3]
    'Lee'
    """
    return str(_parse(_FOLDER / f"{name}.yaml").get("source", ""))


def start(name_or_path: str | Path) -> str:
    """The name or file of the model that a recipe begins with. Empty: it begins with random weights.

    Raises:
        UsageError: unknown name, or a file that cannot be read.

    >>> start("fine-tune"), start("at-bsn")
    ('default', '')
    """
    return str(_parse(_find(name_or_path)).get("start") or "")


class Summary(NamedTuple):
    """What people choose a recipe by, each a line.

    >>> Summary(purpose="learn", cost="a day", source="the paper").cost
    'a day'
    """

    purpose: str
    cost: str
    source: str


def summary(name_or_path: str | Path) -> Summary:
    """What a recipe is for, what it costs, and its paper; read without checking the rest.

    Raises:
        UsageError: unknown name, or a file that cannot be read.

    >>> summary("at-bsn").cost
    'for a GPU: 400,000 steps; about two months of one CPU core'
    """
    fields = _parse(_find(name_or_path))
    return Summary(*(str(fields.get(field, "")) for field in Summary._fields))


def changed(recipe: Recipe | AppliedRecipe, overrides: dict[str, Any]) -> Any:
    """A recipe, or the part of one that is applied, with other values.

    Args:
        recipe: stays as it is.
        overrides: values by dotted field, as for `load`.

    Raises:
        UsageError: as `load`.

    >>> from unnoise.recipes.applied import AppliedRecipe
    >>> changed(AppliedRecipe(name="mine"), {"detail": 0.5}).detail
    0.5
    """
    from pydantic import ValidationError

    from unnoise.recipes.applied import AppliedRecipe

    if not isinstance(recipe, AppliedRecipe):
        return load(recipe, overrides)
    fields = recipe.model_dump(mode="json")
    for dotted, value in rename_old_fields(overrides).items():
        _set(fields, dotted, value)
    try:
        return AppliedRecipe.model_validate(fields)
    except ValidationError as error:
        raise UsageError(explain_validation(error, f"The recipe {recipe.name}", known=AppliedRecipe.model_fields)) from error


def load(name_or_path: str | Path | Recipe, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: a shipped name (see `names`), a YAML file, or a `Recipe`.
        overrides: values by dotted field, such as ``{"training.batch": 4, "denoiser.features": 32}``.

    Returns:
        The recipe with the overrides.

    Raises:
        UsageError: an unknown name, a file that cannot be read, an unknown field or a wrong value. The sentence names
            it.

    >>> load("ap-bsn", {"training.batch": 2}).training.batch
    2
    >>> load("ap-bsn", {"training.batch": 0})
    Traceback (most recent call last):
    unnoise.errors.UsageError: The recipe ap-bsn's field 'training.batch' does not take 0: input should be greater than or equal to 1.
    """
    from unnoise.recipes.schema import Recipe  # brings torch

    if isinstance(name_or_path, Recipe):
        fields, label = name_or_path.model_dump(mode="json"), name_or_path.name
    elif not isinstance(name_or_path, str | Path):
        raise UsageError(f"A recipe is a name, a YAML file or a Recipe, got {type(name_or_path).__name__}.")
    else:
        fields, label = _parse(_find(name_or_path)), str(name_or_path)
    fields = rename_old_fields(fields)
    for dotted, value in rename_old_fields(overrides or {}).items():
        _set(fields, dotted, value)
    return validate(fields, label)


def validate(fields: dict[str, Any], label: str) -> Recipe:
    """Check the fields of a recipe.

    Args:
        fields: as in the YAML file, or from `Recipe.model_dump`.
        label: what errors call the recipe.

    Raises:
        UsageError: a field is unknown or has a wrong value. The sentence names it.

    >>> validate({"name": "mine", "denoiser": "dbsn", "scheme": "pd-blind-spot"}, "mine").denoiser.name
    'dbsn'
    """
    from pydantic import ValidationError

    from unnoise.recipes.schema import Recipe, Training

    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        model = Training if place.startswith("training.") else Recipe if "." not in place else None
        raise UsageError(explain_validation(error, f"The recipe {label}", known=model.model_fields if model else ())) from error


def _find(name_or_path: str | Path) -> Path:
    shipped = _FOLDER / f"{name_or_path}.yaml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if not path.is_file():
        raise UsageError(f"There is no recipe '{name_or_path}'; choose one of {', '.join(names())}, or give a YAML file.")
    return path


def _parse(path: Path) -> dict[str, Any]:
    try:
        YAML_BYTES.check(path.stat().st_size, f"The recipe {path}")
        fields = load_plain(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as a recipe in YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{path} holds no recipe; it must be a YAML mapping with name, denoiser, scheme and training.")
    return fields


def _set(fields: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = fields.setdefault(parent, {})
        fields[parent] = fields = {SHORT_FORMS.get(parent, "name"): inner} if isinstance(inner, str) else inner
        if not isinstance(fields, dict):
            raise UsageError(f"'{dotted}' cannot be set: '{parent}' holds a value, not fields.")
    if isinstance(fields.get("sizes"), dict) and last not in ("name", "sizes"):
        fields = fields["sizes"]
    fields[last] = value
