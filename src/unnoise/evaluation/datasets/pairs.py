"""`pairs:DIR`: the user's own pictures, in the folders `noisy/` and `clean/` under the same names."""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import in_folders


def entries(folder: Path) -> list[Entry]:
    """Every picture of `noisy/` with its partner in `clean/`. Suffixes may differ. Raises `UsageError` if one has no
    partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    return in_folders(folder)
