"""`unnoise evaluate`: score a model on a data set with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli.fields import assignments


def evaluate(
    model: Annotated[str, typer.Option(help="A model's name or file.")] = "default",
    data: Annotated[str, typer.Option(help="SET:DIR, such as pairs:DIR, sidd-val:DIR, polyu:DIR or cc15:DIR.")] = ...,  # type: ignore[assignment]
    protocol: Annotated[
        str, typer.Option(help="default, ap-bsn, amsnet or at-bsn: how PSNR and SSIM are counted.")
    ] = "default",
    json: Annotated[Path | None, typer.Option(help="Write all scores to this file as well.")] = None,
    refine: Annotated[bool | None, typer.Option("--refine/--no-refine", help="R³ after the first estimate.")] = None,
    ensemble: Annotated[
        bool | None, typer.Option("--ensemble/--no-ensemble", help="Average over eight flips and turns.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Score only so many pictures, evenly chosen.")] = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="Apply the model otherwise than its recipe says, as light=none.")
    ] = [],  # noqa: B006
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: the best one present.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16, int8; default: what the hardware does best.")
    ] = None,
) -> None:
    """Score a model on pictures whose truth is known, beside the noisy input."""
    from unnoise.cli.progress import bar
    from unnoise.evaluation.datasets import open_set
    from unnoise.evaluation.scoring import evaluate as run
    from unnoise.files.atomic import atomic_write
    from unnoise.models import shipped

    pairs = open_set(data)
    loaded = shipped.load(model).applied(assignments(set_)).to(device or "auto")
    with bar("evaluate") as progress:
        result = run(
            loaded,
            pairs,
            protocol,
            progress=progress,
            limit=limit,
            name=model,
            refine=refine,
            ensemble=ensemble,
            precision=precision,
        )
    from rich.console import Console

    Console().print(result.table())
    if json:  # last, as it may fail where the table cannot
        with atomic_write(json) as temporary:
            temporary.write_text(result.to_json(), encoding="utf-8")
