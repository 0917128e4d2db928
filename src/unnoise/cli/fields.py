"""`--set FIELD=VALUE`: fields of a recipe, changed from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unnoise.errors import UsageError


def assignments(texts: Sequence[str], example: str) -> dict[str, Any]:
    """Values, read as YAML, by dotted field.

    Args:
        texts: each FIELD=VALUE.
        example: of such a text, for the error's sentence.

    Raises:
        UsageError: a text of another form.

    >>> assignments(["training.batch=4", "name=mine"], "training.batch=4")
    {'training.batch': 4, 'name': 'mine'}
    """
    return dict(_assignment(text, example) for text in texts)


def _assignment(text: str, example: str) -> tuple[str, Any]:
    import yaml

    from unnoise.files.plain_yaml import load_plain

    field, equals, value = text.partition("=")
    if not equals or not field:
        raise UsageError(f"--set takes FIELD=VALUE, such as {example}, got '{text}'.")
    try:
        return field, load_plain(value)
    except yaml.YAMLError as error:
        raise UsageError(f"The value in --set {text[:99]} is no plain YAML; give a number, a word, or a [list].") from error
