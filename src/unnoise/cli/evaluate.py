"""`unnoise evaluate`: score models on a data set with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unnoise.cli import options
from unnoise.cli.fields import assignments
from unnoise.cli.options import FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from unnoise.evaluation.scoring import Evaluation

Protocol = Literal["default", "ap-bsn", "amsnet", "at-bsn"]


def evaluate(
    model: Annotated[
        list[str],
        typer.Option(help="A model's name or file; may be repeated to compare models.", autocompletion=options.complete_model),
    ] = ["default"],  # noqa: B006
    data: Annotated[str, typer.Option(metavar="SET:DIR", help="As pairs:DIR, sidd-val:DIR, polyu:DIR or cc15:DIR.")] = ...,  # type: ignore[assignment]
    protocol: Annotated[
        Protocol, typer.Option(help="How PSNR and SSIM are computed: as here or as in a paper's code.")
    ] = "default",
    limit: Annotated[int | None, typer.Option(help="Score only this many pictures, evenly chosen.")] = None,
    refine: options.RefineOption = None,
    ensemble: options.EnsembleOption = None,
    json: Annotated[
        Path | None,
        typer.Option(help="Write all scores to this file as well; of several models, a list.", rich_help_panel=FILES),
    ] = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    set_: options.SetOption = [],  # noqa: B006
) -> None:
    """Score models on pictures whose truth is known, beside the noisy input.

    One model gives a line for each picture, several a line for each model.
    """
    from rich.console import Console

    from unnoise.cli.progress import bar
    from unnoise.evaluation.datasets import open_set
    from unnoise.evaluation.scoring import evaluate as run
    from unnoise.models import shipped

    pairs = open_set(data)
    changes = assignments(set_, "detail=0.5")
    models = {name: shipped.load(name).applied(changes).to(device or "auto") for name in model}  # all, before the first runs
    results = []
    for name, loaded in models.items():
        with bar(f"evaluate {name}" if len(models) > 1 else "evaluate") as progress:
            scores = run(
                loaded,
                pairs,
                protocol,
                progress=progress,
                limit=limit,
                name=name,
                refine=refine,
                ensemble=ensemble,
                precision=precision,
            )
        results.append(scores)
    Console().print(results[0].table() if len(results) == 1 else _comparison(results))
    if json:  # last, as it may fail where the table cannot
        _write(results, json)


def _comparison(results: Sequence[Evaluation]) -> Table:
    """One line for each model."""
    from rich.table import Table
    from rich.text import Text

    first = results[0]
    table = Table(title=Text(f"{len(first.images)} pictures of {first.data}, protocol {first.protocol}"))
    table.add_column("model", overflow="fold")
    for heading in ("PSNR\ndB", "gain\ndB", "SSIM", "time\ns"):
        table.add_column(heading, justify="right")
    table.add_row("noisy input", f"{first.noisy.psnr:.2f}", "", f"{first.noisy.ssim:.3f}", "")
    table.add_section()
    for result in results:
        gain = result.restored.psnr - result.noisy.psnr
        seconds = result.seconds / len(result.images)
        values = (f"{result.restored.psnr:.2f}", f"{gain:.2f}", f"{result.restored.ssim:.3f}", f"{seconds:.2f}")
        table.add_row(Text(result.model), *values)
    return table


def _write(results: Sequence[Evaluation], path: Path) -> None:
    """The scores as JSON: an object for one model, a list of them for several."""
    from unnoise.files.atomic import atomic_write

    texts = [result.to_json() for result in results]
    with atomic_write(path) as temporary:
        temporary.write_text(texts[0] if len(texts) == 1 else f"[{','.join(texts)}]", encoding="utf-8")
