"""The table of a comparison, for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from unnoise.evaluation.comparison.published import published_psnr
from unnoise.evaluation.comparison.runner import Cell, Comparison
from unnoise.evaluation.comparison.statistics import Interval, mean_interval, paired_p_value
from unnoise.evaluation.scoring import Evaluation

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
    "± seeds",
    "SSIM",
    "p to best",
    "parameters",
    "GMACs",
    "seconds",
    "peak MiB",
    "published dB",
    "trained by",
)

QUALITY = "model", "PSNR dB", "95 % range", "gain dB", "± seeds", "SSIM", "p to best", "published dB"
COST = "model", "parameters", "GMACs", "seconds", "peak MiB"
"""The columns of the two tables in a terminal."""


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
    spread: float | None
    """Standard deviation of the mean PSNR over seeds, in dB; None: there is one model."""
    ssim: float
    p_value: float | None
    """Against the best model on this data set; None: it is the best one, or the input."""
    parameters: int | None
    gmacs: float | None
    """Of the network for a picture, in 10⁹ multiplications with addition."""
    seconds: float | None
    peak_mebibytes: float | None
    """The most memory that the process held for any of the pictures."""
    published: float | None
    """The PSNR that the paper or benchmark states for this method and data set, in dB."""
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
            "" if self.spread is None else f"{self.spread:.2f}",
            f"{self.ssim:.4f}",
            "" if self.p_value is None else _p_value(self.p_value),
            "" if self.parameters is None else f"{self.parameters:,}",
            "" if self.gmacs is None else f"{self.gmacs:.3g}",
            "" if self.seconds is None else f"{self.seconds:.2f}",
            "" if self.peak_mebibytes is None else f"{self.peak_mebibytes:.0f}",
            "" if self.published is None else f"{self.published:.2f}",
            self.trained,
        ]


def rows_of(comparison: Comparison) -> list[Row]:
    """The rows, by data set: the noisy input, then the models, the best first. Each is tested against the best. A method of
    several seeds is one row.

    >>> rows_of(Comparison((), (), {}))
    []
    """
    rows = []
    for data in comparison.data:
        cells = {name: [comparison.cells[member, data] for member in members] for name, members in comparison.methods.items()}
        first = next(iter(cells.values()))[0].scores
        noisy = mean_interval([image.noisy.psnr for image in first.images])
        rows.append(Row(data, "noisy input", noisy, None, None, first.noisy.ssim, None, None, None, None, None, None, ""))
        values = {name: psnr_by_picture(comparison, name, data) for name in cells}
        ranked = sorted(cells, key=lambda name: -fmean(values[name]))
        for name in ranked:
            runs = [cell.scores for cell in cells[name]]
            means = [run.restored.psnr for run in runs]
            rows.append(
                Row(
                    data,
                    name,
                    mean_interval(values[name]),
                    fmean(means) - first.noisy.psnr,
                    stdev(means) if len(means) > 1 else None,
                    fmean(run.restored.ssim for run in runs),
                    None if name == ranked[0] else paired_p_value(values[name], values[ranked[0]]),
                    cells[name][0].parameters,
                    gmacs_of(cells[name][0]),
                    fmean(run.seconds / len(run.images) for run in runs),
                    peak_of(runs),
                    published_psnr(name, data),
                    cells[name][0].trained,
                )
            )
    return rows


def gmacs_of(cell: Cell) -> float | None:
    """10⁹ multiplications of the network for a picture of mean size; None: unknown.

    >>> from unnoise.evaluation.scoring import Evaluation
    >>> empty = Evaluation(model="m", data="d", protocol="default", options={}, images=[])
    >>> gmacs_of(Cell(made_from="", parameters=0, trained="", scores=empty)) is None
    True
    """
    pixels = [image.pixels for image in cell.scores.images if image.pixels is not None]
    return None if cell.macs_per_pixel is None or not pixels else cell.macs_per_pixel * fmean(pixels) / 1e9


def peak_of(runs: Sequence[Evaluation]) -> float | None:
    """The most mebibytes that the process held for any picture; None: unknown.

    >>> peak_of([]) is None
    True
    """
    known = [image.peak_mebibytes for run in runs for image in run.images if image.peak_mebibytes is not None]
    return max(known, default=None)


def psnr_by_picture(comparison: Comparison, method: str, data: str) -> list[float]:
    """The PSNR of a method on each picture, in dB, the mean over its seeds.

    >>> psnr_by_picture(Comparison((), (), {}), "a", "b")
    Traceback (most recent call last):
    KeyError: 'a'
    """
    runs = [comparison.cells[member, data].scores.images for member in comparison.methods[method]]
    return [fmean(image.restored.psnr for image in images) for images in zip(*runs, strict=True)]


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


def _p_value(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4f}"
