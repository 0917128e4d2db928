"""The outcome of an ablation as a CSV file, a table and a plot, each next to the paper's scores."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.scoring import Evaluation
from unnoise.files.atomic import atomic_write
from unnoise.models.model import Model
from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """The outcome of one variant. PSNR is in dB.

    >>> times = {"steps": 100, "minutes": 1.0, "seconds": 2.0}
    >>> scores = {"noisy_psnr": 20.0, "noisy_ssim": 0.5, "psnr": 30.0, "ssim": 0.9, "paper_psnr": None, "paper_ssim": None}
    >>> Row("loss", "L1", parameters=1000, refined=False, images=3, **times, **scores).psnr
    30.0
    """

    ablation: str
    variant: str
    parameters: int
    steps: int | None
    minutes: float | None
    """Training time, without the training of the variant it starts from."""
    refined: bool
    """Whether the scores are with R³."""
    images: int
    noisy_psnr: float
    noisy_ssim: float
    psnr: float
    ssim: float
    seconds: float
    """Time of denoising for all images."""
    paper_psnr: float | None
    paper_ssim: float | None

    @classmethod
    def of(cls, ablation: str, variant: Variant, model: Model, scores: Evaluation) -> Row:
        paper = (*(variant.paper or ()), None, None)
        return cls(
            ablation,
            variant.name,
            model.network.parameter_count(),
            model.card.steps,
            model.card.minutes,
            bool(scores.options["refine"]),
            len(scores.images),
            scores.noisy.psnr,
            scores.noisy.ssim,
            scores.restored.psnr,
            scores.restored.ssim,
            scores.seconds,
            paper[0],
            paper[1],
        )


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write one line for each variant. A field without a number is empty.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_csv([], Path(folder) / "rows.csv")
    ...     (Path(folder) / "rows.csv").read_text()[:16]
    'ablation,variant'
    """
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(row).items()} for row in rows
        )


def table(ablation: Ablation, rows: Sequence[Row]) -> Table:
    """A table for a terminal of 80 columns. The paper used other pictures and a full training, so only the order can be
    compared."""
    from rich.table import Table
    from rich.text import Text

    answers = ["no", "yes"]
    result = Table(
        title=Text(f"{ablation.title} ({ablation.source})"),
        caption=f"R³: here {answers[rows[0].refined]}, in the paper {answers[ablation.refine]}",
    )
    result.add_column(ablation.axis or "variant", min_width=max(len(row.variant) for row in rows))
    for heading in ("10³\nparam.", "steps", "PSNR\ndB", "SSIM", "gain\ndB", "paper\ndB", "paper\nSSIM"):
        result.add_column(heading, justify="right")
    for row in rows:
        result.add_row(
            Text(row.variant),
            f"{row.parameters / 1000:,.0f}",
            str(row.steps),
            f"{row.psnr:.2f}",
            f"{row.ssim:.3f}",
            f"{row.psnr - row.noisy_psnr:+.2f}",
            "" if row.paper_psnr is None else f"{row.paper_psnr:.2f}",
            "" if row.paper_ssim is None else f"{row.paper_ssim:.4f}",
        )
    result.add_section()
    result.add_row("noisy", "", "", f"{rows[0].noisy_psnr:.2f}", f"{rows[0].noisy_ssim:.3f}")
    return result


def plot(ablation: Ablation, rows: Sequence[Row]) -> Figure:
    """PSNR of the variants, next to the paper's, each on its own scale: bars, or a curve along an axis."""
    require("matplotlib", "A plot")
    from matplotlib.figure import Figure

    published = [row for row in rows if row.paper_psnr is not None]
    ours = published if ablation.axis and published else rows  # the start of a fine-tuning has no value on the axis
    figure = Figure(figsize=(10 if published else 5.5, 4), layout="constrained")
    figure.suptitle(ablation.title)
    panels = figure.subplots(1, 2 if published else 1, squeeze=False)[0]
    values = [row.psnr for row in ours]
    noisy, low, high = rows[0].noisy_psnr, min(values), max(values)
    near = noisy >= 2 * low - high  # otherwise the differences would be too small to see
    _panel(panels[0], ablation, ours, values, noisy if near else None)
    panels[0].set_title(f"here: {rows[0].images} pictures, noisy {noisy:.2f} dB{' (dashed)' if near else ''}")
    if published:
        _panel(panels[1], ablation, published, [row.paper_psnr or 0 for row in published])
        panels[1].set_title(f"the paper's {ablation.source}, SIDD validation")
    return figure


def _panel(axes: Axes, ablation: Ablation, rows: Sequence[Row], values: Sequence[float], level: float | None = None) -> None:
    names = [row.variant for row in rows]
    if ablation.axis:
        axes.plot(names, values, marker="o")
        axes.set_xlabel(ablation.axis)
    else:
        axes.bar(names, values, width=0.6)
    for place, value in enumerate(values):
        axes.annotate(f"{value:.2f}", (place, value), xytext=(0, 5), textcoords="offset points", ha="center")
    plotted = [*values, level] if level is not None else values
    low, high = min(plotted), max(plotted)
    axes.set_ylim(low - max(0.1, 0.15 * (high - low)), high + max(0.1, 0.2 * (high - low)))
    axes.margins(x=0.08)
    if level is not None:
        axes.axhline(level, linestyle="--", color="black")
    axes.set_ylabel("PSNR, dB")
    axes.tick_params("x", rotation=15 if max(map(len, names)) > 8 else 0)
