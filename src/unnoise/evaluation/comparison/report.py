"""What a comparison leaves in its folder: tables for documents and papers, and figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from unnoise.evaluation.comparison import grid, plots, table
from unnoise.evaluation.comparison.runner import Comparison
from unnoise.evaluation.comparison.settings import Settings
from unnoise.evaluation.datasets import open_set
from unnoise.files.atomic import atomic_write
from unnoise.models import shipped

DOTS_PER_INCH = 130
GRID_METHODS = 4
"""So many of the best methods are in a grid of crops."""


def write(
    comparison: Comparison, rows: Sequence[table.Row], output: Path, settings: Settings, *, figures: bool = False
) -> list[Path]:
    """Write the tables and, where wanted, the figures.

    Args:
        comparison: all cells.
        rows: of `table.rows_of`.
        output: a folder that is there.
        settings: of the comparison, for the pictures in the grids.
        figures: whether to draw them. They need matplotlib.

    Returns:
        The files.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Comparison((), (), {}), [], Path(folder), Settings())]
    ['comparison.md', 'comparison.csv', 'comparison.tex']
    """
    written = []
    for suffix, text in (("md", table.as_markdown), ("csv", table.as_csv), ("tex", table.as_latex)):
        path = output / f"comparison.{suffix}"
        with atomic_write(path) as temporary:
            temporary.write_text(text(rows), encoding="utf-8")
        written.append(path)
    for data in comparison.data if figures else ():
        ranked = [row.model for row in rows if row.data == data and row.gain is not None]
        name = re.sub(r"[^\w-]+", "-", data.partition(":")[0])
        name += "" if [one.partition(":")[0] for one in comparison.data].count(name) == 1 else f"-{comparison.data.index(data)}"
        drawn = {
            "time": plots.quality_against_time(rows, data),
            "noise": plots.gain_against_noise(comparison, data),
        }
        if len(ranked) > 1:
            drawn["pictures"] = plots.picture_by_picture(comparison, data, ranked[1], ranked[0])
        models = {method: shipped.load(comparison.methods[method][0]) for method in ranked[:GRID_METHODS]}
        options = settings.model_dump(exclude={"protocol", "limit"})
        drawn["crops"] = grid.zoomed_grid(models, open_set(data), **options)
        for kind, figure in drawn.items():
            path = output / f"{name}-{kind}.png"
            with atomic_write(path) as temporary:
                figure.savefig(temporary, dpi=DOTS_PER_INCH, format="png")
            written.append(path)
    return written
