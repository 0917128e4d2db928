"""`folder:DIR`: noisy pictures without truth, to look at or to train on."""

from __future__ import annotations

from pathlib import Path

from unnoise.data.base import Entry
from unnoise.data.pairing import pictures


def entries(folder: Path) -> list[Entry]:
    """Every picture in the folder and below. Raises `UsageError` when there is none."""
    return [Entry(name, path) for name, path in pictures(folder).items()]
