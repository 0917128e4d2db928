"""How many inputs of each kind were read, and how many were findings. As a table in Markdown:

python benchmarks/fuzz/tally.py counts.csv
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FAMILIES = {
    "camera raw": ("raw.dng",),
    "checkpoints, published weights": ("checkpoint.", "published."),
    "films": ("film.",),
    "HTTP requests": ("http-",),
    "manifests, journals, locks, accounts": ("manifest.", "journal.", "lock.", "cluster-account."),
    "measurements (FITS, MRC, HDF5, DICOM, …)": ("science.",),
    "model files, graphs": ("model.", "graph"),
    "recipes": ("recipe.",),
    "scores, ablations, logs": ("scores.", "ablation.", "log.", "selection.", "picture-journal.", "finished."),
    "stores of crops": ("store-",),
    "teachers' results": ("teachers.",),
    "Zarr": ("zarr-",),
}
"""What the beginnings of files' names stand for. The others are pictures and stacks."""
PICTURES = "pictures and stacks"


@dataclass
class Tally:
    """The numbers of a session, kept in a CSV file if there is one."""

    path: Path | None
    inputs: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.path and self.path.exists():
            with self.path.open(newline="") as file:
                for row in csv.DictReader(file):
                    self.inputs[row["kind"]] = int(row["inputs"])
                    self.findings[row["kind"]] = int(row["findings"])

    def add(self, inputs: Counter[str], findings: Counter[str]) -> None:
        """Add the numbers of a batch, and note them."""
        self.inputs += inputs
        self.findings += findings
        if self.path is None:
            return
        temporary = self.path.with_name(f".{self.path.name}.new")
        with temporary.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("kind", "inputs", "findings"))
            writer.writerows((kind, count, self.findings[kind]) for kind, count in sorted(self.inputs.items()))
        temporary.replace(self.path)


def family(kind: str) -> str:
    """What a file is, by its name.

    >>> family("film.gif"), family("deep.png")
    ('films', 'pictures and stacks')
    """
    return next((name for name, beginnings in FAMILIES.items() if kind.startswith(beginnings)), PICTURES)


def main() -> None:
    """Print a line for each family of kinds."""
    tally = Tally(Path(sys.argv[1]))
    print("| files | inputs | kinds | findings |\n|---|---|---|---|")
    for name in (PICTURES, *FAMILIES):
        kinds = [kind for kind in tally.inputs if family(kind) == name]
        if kinds:
            print(_line(tally, name, kinds))
    print(_line(tally, "all", list(tally.inputs)))


def _line(tally: Tally, name: str, kinds: list[str]) -> str:
    inputs, findings = (sum(counts[kind] for kind in kinds) for counts in (tally.inputs, tally.findings))
    return f"| {name} | {inputs:,} | {len(kinds)} | {findings} |"


if __name__ == "__main__":
    main()
