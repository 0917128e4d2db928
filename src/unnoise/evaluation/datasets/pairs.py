"""`pairs:DIR`: one's own pictures with truth, in the folders `noisy/` and `clean/` under the same names."""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import in_folders


def entries(folder: Path) -> list[Entry]:
    """Every picture of `noisy/` with its partner in `clean/`; suffixes may differ. Raises `UsageError` when one has none."""
    return in_folders(folder)
