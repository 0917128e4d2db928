"""`unnoise submit`: what the servers of SIDD and DND take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli import options
from unnoise.cli.fields import assignments
from unnoise.cli.options import ADVANCED
from unnoise.cli.targets import check_free


def submit(
    data: Annotated[str, typer.Option(metavar="SET:DIR", help="As sidd-benchmark:DIR or dnd:DIR.")] = ...,  # type: ignore[assignment]
    out: Annotated[
        Path, typer.Option("-o", "--out", help="For SIDD a file SubmitSrgb.mat or one .csv, for DND a folder.")
    ] = ...,  # type: ignore[assignment]
    model: Annotated[str, typer.Option(help="A model's name or file.", autocompletion=options.complete_model)] = "default",
    method: Annotated[
        str | None, typer.Option(help="The method's name in SIDD's .mat; default: the model's.", rich_help_panel=ADVANCED)
    ] = None,
    refine: options.RefineOption = None,
    ensemble: options.EnsembleOption = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    overwrite: options.OverwriteOption = False,
    set_: options.SetOption = [],  # noqa: B006
) -> None:
    """Denoise a benchmark whose truth is kept by its server, and write the file or folder to send there.

    It is read back and compared before it gets its name.
    """
    from unnoise.cli.progress import bar
    from unnoise.evaluation.datasets import open_set
    from unnoise.evaluation.submissions import submit as run
    from unnoise.models import shipped

    check_free(out, overwrite)
    pictures = open_set(data)
    loaded = shipped.load(model).applied(assignments(set_, "detail=0.5")).to(device or "auto")
    with bar("submit") as progress:
        run(
            loaded,
            pictures,
            out,
            facts={"MethodName": method or model},
            progress=progress,
            refine=refine,
            ensemble=ensemble,
            precision=precision,
        )
    typer.echo(out)
