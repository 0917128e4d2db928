"""The rows of several soaks as one table in Markdown.

python benchmarks/faults/soak_table.py a.csv b.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

from children import COUNTS, Row
from soak import rows_of


def main() -> None:
    """Print a line for each command, over all faults; then a line for each fault, over all commands."""
    rows = [row for name in sys.argv[1:] for row in rows_of(Path(name)).values()]
    for key in ("scenario", "fault"):
        print(f"\n| {'command' if key == 'scenario' else key} | trials | in time | {' | '.join(COUNTS).replace('_', ' ')} |")
        print("|---" * (3 + len(COUNTS)) + "|")
        for name in dict.fromkeys(getattr(row, key) for row in rows):
            chosen = [row for row in rows if getattr(row, key) == name]
            print(_line(name, chosen))
        print(_line("all", rows))


def _line(name: str, rows: list[Row]) -> str:
    counts = [sum(row.counts[count] for row in rows) for count in COUNTS]
    cells = [name, sum(row.trials for row in rows), sum(row.struck for row in rows), *counts]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
