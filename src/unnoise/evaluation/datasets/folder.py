"""`folder:DIR`: noisy pictures without clean versions, to look at or to train on."""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import pictures


def entries(folder: Path) -> list[Entry]:
    """Every picture in the folder and below it. Raises `UsageError` if there is none.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    return [Entry(name, path) for name, path in pictures(folder).items()]
