"""`--set FIELD=VALUE`: fields of a recipe, changed from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unnoise.errors import UsageError


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Values, read as YAML, by dotted field. Raises `UsageError` for a text of another form."""
    return dict(_assignment(text) for text in texts)


def _assignment(text: str) -> tuple[str, Any]:
    import yaml

    field, equals, value = text.partition("=")
    if not equals or not field:
        raise UsageError(f"--set takes FIELD=VALUE, such as training.batch=4, got '{text}'.")
    try:
        return field, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"The value in --set {text} is no YAML.") from error
