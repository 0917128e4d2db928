"""`unnoise denoise`: pictures in, better pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def denoise(
    pictures: Annotated[list[Path], typer.Argument(metavar="IN...", help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or a file for a single picture; default: beside each picture.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name (see `unnoise models`) or file.")] = "default",
    refine: Annotated[
        bool | None, typer.Option("--refine/--no-refine", help="R³ after the first estimate; default: as the model says.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average over eight flips and turns: a little better, eight times slower.")
    ] = False,
    tile: Annotated[int | None, typer.Option(help="Side of the tiles in pixels; smaller takes less memory.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: the best one present.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16; default: what the hardware does best.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there already.")] = False,
) -> None:
    """Take the noise out of pictures."""
    from unnoise import zoo
    from unnoise.cli.progress import bar
    from unnoise.inference.files import plan, run

    jobs = plan(pictures, out, overwrite=overwrite)  # before the model is loaded: bad calls answer at once
    loaded = zoo.load(model).to(device or "auto")
    with bar("denoise") as progress:
        outcome = run(
            jobs,
            lambda pixels, on_tile: loaded.denoise(
                pixels, refine=refine, ensemble=ensemble, tile=tile, precision=precision, progress=on_tile
            ),
            overwrite=overwrite,
            progress=progress,
        )
    for target in outcome.written:
        typer.echo(target)
    for sentence in outcome.failures:
        typer.echo(f"unnoise: {sentence}", err=True)
    if outcome.failures:
        raise typer.Exit(outcome.exit_status)
