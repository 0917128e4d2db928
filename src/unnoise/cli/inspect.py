"""`unnoise inspect`: what noise a picture has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unnoise.errors import UsageError


def inspect(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.", show_default=False)],
    plot: Annotated[
        Path | None, typer.Option(help="Draw level, correlation and clipping to this file (.png, .svg, .pdf).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Tell a picture's noise from the picture alone: its level, correlation, clipping, JPEG's blocks; and what to do about it."""
    from unnoise import images
    from unnoise.models.inspection import inspect as run

    report = run(images.read(image).pixels, name=str(image))
    if plot:
        if plot.exists() and plot.samefile(image):
            raise UsageError(f"The plot would replace the picture {image}; choose another name.")
        from unnoise.noise.plot import save

        save(report, plot, title=image.name)
    if json:
        typer.echo(report.to_json())
        return
    from rich.console import Console

    Console().print(report.table())
