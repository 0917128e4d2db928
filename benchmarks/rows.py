"""Print the rows of a benchmark as they come, and keep them in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unnoise.files.atomic import atomic_write

Row = dict[str, Any]


def tell(row: Row, *, head: bool = False) -> None:
    """One line, floats to three digits; with a `head`, the keys above it."""
    if head:
        print("  ".join(row))
    print("  ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()), flush=True)


def keep(rows: Sequence[Row], path: Path | None) -> None:
    """All rows in one file, whole or not at all, with the keys of the first as its head; None: nowhere."""
    if path is None or not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
