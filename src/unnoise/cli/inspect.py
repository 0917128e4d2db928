"""`unnoise inspect`: what noise pictures have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.cli import options
from unnoise.cli.options import FILES
from unnoise.errors import UnnoiseError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from unnoise.noise.report import NoiseReport


def inspect(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of them.", show_default=False)
    ],
    plot: Annotated[
        Path | None,
        typer.Option(help="Of one picture, draw level, correlation and clipping to this file (.png, .svg, .pdf)."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole report as JSON; of several pictures, a list of them.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Take the folders in folders too.", rich_help_panel=FILES)
    ] = False,
    axes: options.AxesOption = None,
) -> None:
    """Measure the noise of pictures from the pictures alone: level, correlation, clipping, JPEG's blocks; and what to do about it.

    One picture gives a full report, several a table with a line for each. Of a stack the first picture is measured.
    """
    from unnoise import images
    from unnoise.images.arrays_on_disk import check_axes

    check_axes(axes)
    files = images.find_pictures(pictures, recursive=recursive)
    several = files != pictures or len(files) > 1
    if plot:
        _check_plot(plot, files)
    reports: dict[Path, NoiseReport] = {}
    failures: list[UnnoiseError] = []
    for file in files:
        try:
            reports[file] = _report(file, axes)
        except UnnoiseError as error:
            if not several:
                raise
            failures.append(error)
    if plot:
        from unnoise.noise.plot import save

        save(reports[files[0]], plot, title=files[0].name)
    _show(reports, several, json)
    for failure in failures:
        typer.echo(f"unnoise: {failure}", err=True)
    if failures:
        statuses = {failure.exit_status for failure in failures}
        raise typer.Exit(statuses.pop() if len(statuses) == 1 else 1)


def _check_plot(plot: Path, files: list[Path]) -> None:
    """Raise `UsageError` where a plot cannot be made; before the work, which may take long."""
    if len(files) > 1:
        raise UsageError(f"--plot draws one picture, but {len(files)} were given; give one.")
    if plot.exists() and plot.samefile(files[0]):
        raise UsageError(f"The plot would replace the picture {files[0]}; choose another name.")


def _report(file: Path, axes: str | None) -> NoiseReport:
    """Of a stack, the first picture is measured, and the report says so."""
    from unnoise import images
    from unnoise import inspect as run

    with images.open(file, axes=axes) as source:
        report = run(source[0].picture().pixels, name=str(file))
        if len(source) == 1:
            return report
        return report.model_copy(update={"notes": [f"Only the first of {len(source)} pictures was measured.", *report.notes]})


def _show(reports: dict[Path, NoiseReport], several: bool, json: bool) -> None:
    from rich.console import Console

    if json and several:
        import json as library

        entries = [{"name": str(file)} | report.model_dump(mode="json") for file, report in reports.items()]
        typer.echo(library.dumps(entries, indent=2))
    elif json:
        typer.echo(next(iter(reports.values())).to_json())
    elif several:
        Console().print(_table(reports))
    else:
        Console().print(next(iter(reports.values())).table())


def _table(reports: dict[Path, NoiseReport]) -> Table:
    """One line for each picture."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("picture", overflow="fold")
    for heading in ("size", "noise\nlevel", "correlation\nat 1, 2 pixels", "black /\nwhite", "JPEG\ngrid", "model", "recipe"):
        table.add_column(heading)
    for file, report in reports.items():
        advice = report.advice
        table.add_row(
            Text(str(file)),
            f"{report.width}×{report.height}",
            report.level_told(),
            "" if report.autocorrelation is None else f"{report.lag(1):.2f}  {report.lag(2):.2f}",
            f"{max(report.black):.1%} / {max(report.white):.1%}",
            f"{report.blocking:.2f}" if report.blocks_found else "–",
            (advice.model if advice else None) or "–",
            advice.recipe if advice else "–",
        )
    return table
