"""Figures of a comparison. They need matplotlib, which is imported where it is used; each gives back the figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.evaluation.comparison.runner import Comparison
from unnoise.evaluation.comparison.table import Row, psnr_by_picture
from unnoise.registry import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


def quality_against_time(rows: Sequence[Row], data: str) -> Figure:
    """Mean PSNR of each method against its seconds per picture, with the confidence interval.

    Args:
        rows: of `table.rows_of`.
        data: the data set as SET:DIR.

    >>> quality_against_time([], "polyu:d").axes[0].get_xlabel()
    'seconds per picture'
    """
    figure = _figure()
    axes = figure.subplots()
    for row in rows:
        if row.data != data:
            continue
        if row.seconds is None:
            axes.axhline(row.psnr.mean, color="0.6", linestyle="--", linewidth=1)
            continue
        error = [[row.psnr.mean - row.psnr.low], [row.psnr.high - row.psnr.mean]]
        axes.errorbar([row.seconds], [row.psnr.mean], yerr=error, fmt="o", capsize=3)
        axes.annotate(row.model, (row.seconds, row.psnr.mean), xytext=(6, 4), textcoords="offset points", fontsize=8)
    if any(row.seconds for row in rows):
        axes.set_xscale("log")
    axes.set_xlabel("seconds per picture")
    axes.set_ylabel("PSNR dB, mean and 95 % interval")
    axes.set_title(f"{data}; dashed: noisy input", fontsize=9)
    return figure


def picture_by_picture(comparison: Comparison, data: str, one: str, other: str) -> Figure:
    """PSNR of two methods on each picture, a point each. Points above the line are better by `other`.

    >>> from unnoise.evaluation.comparison.runner import Comparison
    >>> picture_by_picture(Comparison((), (), {}), "polyu:d", "a", "b")
    Traceback (most recent call last):
    KeyError: 'a'
    """
    x, y = (psnr_by_picture(comparison, each, data) for each in (one, other))
    figure = _figure()
    axes = figure.subplots()
    axes.scatter(x, y, s=14)
    ends = min([*x, *y]), max([*x, *y])
    axes.plot(ends, ends, color="0.6", linewidth=1)
    axes.set_xlabel(f"{one}, PSNR dB")
    axes.set_ylabel(f"{other}, PSNR dB")
    axes.set_title(f"{data}, {len(x)} pictures", fontsize=9)
    axes.set_aspect("equal")
    return figure


def gain_against_noise(comparison: Comparison, data: str) -> Figure:
    """The gain of each method on each picture against the PSNR of the noisy picture.

    >>> from unnoise.evaluation.comparison.runner import Comparison
    >>> gain_against_noise(Comparison((), (), {}), "polyu:d").axes[0].get_ylabel()
    'gain dB'
    """
    figure = _figure()
    axes = figure.subplots()
    for name, members in comparison.methods.items():
        noisy = [image.noisy.psnr for image in comparison.cells[members[0], data].scores.images]
        gain = [after - before for after, before in zip(psnr_by_picture(comparison, name, data), noisy, strict=True)]
        axes.scatter(noisy, gain, s=12, label=name)
    axes.axhline(0, color="0.6", linewidth=1)
    axes.set_xlabel("PSNR of the noisy picture, dB")
    axes.set_ylabel("gain dB")
    axes.set_title(data, fontsize=9)
    if comparison.methods:
        axes.legend(fontsize=8)
    return figure


def _figure() -> Figure:
    require("matplotlib", "A figure of a comparison")
    from matplotlib.figure import Figure

    return Figure(figsize=(6, 4.5), layout="constrained")
