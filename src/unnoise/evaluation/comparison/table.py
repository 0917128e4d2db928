"""The table of a comparison, for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from unnoise.evaluation.comparison.runner import Cell, Comparison
from unnoise.evaluation.comparison.statistics import Interval, mean_interval, paired_p_value

_SPECIAL = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
"""Letters that mean something else in LaTeX, and how they are written."""
HEADINGS = (
    "data",
    "model",
    "PSNR dB",
    "95 % range",
    "gain dB",
    "SSIM",
    "p to best",
    "parameters",
    "seconds",
    "trained by",
)


class Row(NamedTuple):
    """One model on one data set.

    >>> Row._fields[:2]
    ('data', 'model')
    """

    data: str
    model: str
    psnr: Interval
    gain: float | None
    """Over the noisy input, in dB; None for the input itself."""
    ssim: float
    p_value: float | None
    """Against the best model on this data set; None: it is the best one, or the input."""
    parameters: int | None
    seconds: float | None
    trained: str

    def cells(self) -> list[str]:
        """The row as text, in the order of `HEADINGS`."""
        low_high = "" if math.isnan(self.psnr.low) else f"{self.psnr.low:.2f}–{self.psnr.high:.2f}"
        return [
            self.data,
            self.model,
            f"{self.psnr.mean:.2f}",
            low_high,
            "" if self.gain is None else f"{self.gain:+.2f}",
            f"{self.ssim:.4f}",
            "" if self.p_value is None else _p_value(self.p_value),
            "" if self.parameters is None else f"{self.parameters:,}",
            "" if self.seconds is None else f"{self.seconds:.2f}",
            self.trained,
        ]


def rows_of(comparison: Comparison) -> list[Row]:
    """The rows, by data set: the noisy input, then the models, the best first. Each is tested against the best.

    >>> rows_of(Comparison((), (), {}))
    []
    """
    rows = []
    for data in comparison.data:
        cells = {model: comparison.cells[model, data] for model in comparison.models}
        first = next(iter(cells.values())).scores
        noisy = [image.noisy.psnr for image in first.images]
        rows.append(Row(data, "noisy input", mean_interval(noisy), None, first.noisy.ssim, None, None, None, ""))
        ranked = sorted(cells, key=lambda model: -cells[model].scores.restored.psnr)
        best = _psnr(cells[ranked[0]])
        for model in ranked:
            cell, values = cells[model], _psnr(cells[model])
            scores = cell.scores
            rows.append(
                Row(
                    data,
                    model,
                    mean_interval(values),
                    scores.restored.psnr - scores.noisy.psnr,
                    scores.restored.ssim,
                    None if model == ranked[0] else paired_p_value(values, best),
                    cell.parameters,
                    scores.seconds / len(scores.images),
                    cell.trained,
                )
            )
    return rows


def as_markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown.

    >>> as_markdown([]).splitlines()[0][:15]
    '| data | model '
    """
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(text.replace('|', '/') for text in line)} |\n" for line in lines)


def as_csv(rows: Sequence[Row]) -> str:
    """The table as CSV.

    >>> as_csv([]).partition(",")[0]
    'data'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue()


def as_latex(rows: Sequence[Row]) -> str:
    """The table in LaTeX, for the package booktabs. The best model of each data set is bold.

    >>> as_latex([]).splitlines()[-1]
    '\\\\end{tabular}'
    """
    shown = len(HEADINGS) - 1  # how a model was trained is too long for a column
    lines = [r"\begin{tabular}{ll" + "r" * (shown - 2) + "}", r"\toprule", _latex_line(HEADINGS[:shown]), r"\midrule"]
    for number, row in enumerate(rows):
        if number and row.data != rows[number - 1].data:
            lines.append(r"\midrule")
        is_best = row.p_value is None and row.gain is not None
        texts = [_escaped(text) for text in row.cells()[:shown]]
        if is_best:
            texts[2] = rf"\textbf{{{texts[2]}}}"
        lines.append(" & ".join(texts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(map(_escaped, texts)) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _psnr(cell: Cell) -> list[float]:
    return [image.restored.psnr for image in cell.scores.images]


def _p_value(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4f}"
