"""Old names of recipe fields. YAML files, headers of model files and `--set` may hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unnoise.errors import UsageError

OLD_FIELDS = {"light": "bias_correction", "levels": "normalization"}
"""Name in version 0.1 → name now."""


def rename_old_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a recipe their present names, without a warning.

    Args:
        fields: name → value. A name may be dotted, as in ``light.bound``.

    Returns:
        The same values in the same order.

    Raises:
        UsageError: a field stands there under both names.

    >>> rename_old_fields({"name": "mine", "light": "auto", "levels.of": "picture"})
    {'name': 'mine', 'bias_correction': 'auto', 'normalization.of': 'picture'}
    """
    renamed: dict[str, Any] = {}
    for name, value in fields.items():
        first, dot, rest = str(name).partition(".")
        new = OLD_FIELDS.get(first, first) + dot + rest
        if new in renamed:
            raise UsageError(f"The field '{new}' stands there twice, once under its old name; keep '{new}' alone.")
        renamed[new] = value
    return renamed
