"""A plot of a `NoiseReport`: level by brightness, correlation as a map and along the axes, clipping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unnoise.errors import UsageError
from unnoise.files.atomic import atomic_write
from unnoise.noise.report import NoiseReport
from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_INKS = ("tab:red", "tab:green", "tab:blue")


def save(report: NoiseReport, path: Path, *, title: str = "") -> None:
    """Write the plot to a file.

    Args:
        report: what `unnoise.inspect` found.
        path: ends in one of `SUFFIXES`.
        title: stands above the plot.

    Raises:
        UsageError: the name has another suffix, or matplotlib is not installed.
        UnnoiseError: the file cannot be written.

    >>> import numpy as np
    >>> import unnoise
    >>> report = unnoise.inspect(np.random.default_rng(0).integers(90, 110, (64, 64), np.uint8))
    >>> save(report, Path("noise.docx"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: A plot cannot be written as 'noise.docx'; give a name that ends in ...
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"A plot cannot be written as '{path.name}'; give a name that ends in {', '.join(SUFFIXES)}.")
    figure = draw(report, title=title)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def draw(report: NoiseReport, *, title: str = "") -> Figure:
    """Draw the four panels. A panel without figures says so.

    >>> import numpy as np
    >>> from unnoise.noise.inspection import measure
    >>> noisy = np.random.default_rng(0).normal(128, 10, (128, 128)).astype(np.uint8)
    >>> len(draw(measure(noisy), title="flat").axes) >= 4
    True
    """
    require("matplotlib", "A plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}  ({report.width}×{report.height})   noise level {report.level_text()}".strip())
    axes = figure.subplots(2, 2)
    _levels(axes[0, 0], report)
    _map(axes[0, 1], report)
    _along(axes[1, 0], report)
    _clipping(axes[1, 1], report)
    return figure


def _ink(report: NoiseReport, number: int) -> str:
    count = len(report.black)
    return "black" if count == 1 else _INKS[number] if count == 3 else f"C{number % 10}"


def _levels(axes: Axes, report: NoiseReport) -> None:
    zero, one = report.display_range
    axes.set(title="noise by brightness", xlabel=f"brightness, {report.unit}", ylabel=f"standard deviation, {report.unit}")
    for number, channel in enumerate(report.channels):
        ink = _ink(report, number)
        brightness, sigma = zero + np.array(channel.brightness) * (one - zero), np.array(channel.sigma) * (one - zero)
        axes.plot(brightness, sigma, "o-", color=ink, label=f"channel {number}")
        if channel.fit and channel.fit.holds:
            x = np.linspace(channel.brightness[0], channel.brightness[-1], 100)
            line = np.sqrt(np.maximum(channel.fit.a * x + channel.fit.b, 0))
            axes.plot(zero + x * (one - zero), line * (one - zero), "--", color=ink, linewidth=1, label="√(a·x + b)")
    if report.channels:
        highest = max(max(channel.sigma) for channel in report.channels)
        axes.set_ylim(0, (1.1 * highest + 0.0004) * (one - zero))
        axes.legend(fontsize="small")
    else:
        _nothing(axes)


def _map(axes: Axes, report: NoiseReport) -> None:
    axes.set(title="autocorrelation of the noise", xlabel="columns apart", ylabel="rows apart")
    if report.autocorrelation is None:
        _nothing(axes)
        return
    radius = len(report.autocorrelation) // 2
    edge = radius + 0.5
    image = axes.imshow(report.autocorrelation, cmap="RdBu_r", vmin=-1, vmax=1, extent=(-edge, edge, edge, -edge))
    axes.set_xticks(range(-radius, radius + 1, 2))
    axes.set_yticks(range(-radius, radius + 1, 2))
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, shrink=0.8)


def _along(axes: Axes, report: NoiseReport) -> None:
    axes.set(title="correlation by distance", xlabel="pixels apart", ylabel="correlation")
    if report.autocorrelation is None:
        _nothing(axes)
        return
    radius = len(report.autocorrelation) // 2
    middle = np.array(report.autocorrelation)[radius:, radius:]
    axes.plot(middle[0], "o-", label="along rows")
    axes.plot(middle[:, 0], "s-", label="along columns")
    axes.plot(np.arange(radius + 1), np.diag(middle), "x:", label="along both")
    axes.axhline(0, color="grey", linewidth=0.8)
    if report.advice:
        stride = report.advice.train_stride
        axes.axvline(stride, color="tab:purple", linestyle="--", linewidth=1, label=f"training stride {stride}")
    axes.legend(fontsize="small")


def _clipping(axes: Axes, report: NoiseReport) -> None:
    grid = f"JPEG's grid: {'found' if report.blocks_found else 'not found'} ({report.blocking:.2f})"
    axes.set(title=f"clipped pixels;  {grid}", xlabel="channel", ylabel="share in %")
    places = np.arange(len(report.black))
    axes.bar(places - 0.2, np.array(report.black) * 100, width=0.4, color="black", label="black")
    axes.bar(places + 0.2, np.array(report.white) * 100, width=0.4, color="white", edgecolor="black", label="white")
    axes.set_xticks(places)
    axes.set_ylim(bottom=0)
    if not any(report.black) and not any(report.white):
        axes.set_ylim(0, 1)
    axes.legend(fontsize="small")


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", transform=axes.transAxes)
