"""`unnoise inspect`: what noise pictures have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.cli import options
from unnoise.cli.options import FILES
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.attempts import working_on

if TYPE_CHECKING:
    from rich.table import Table

    from unnoise.noise.report import NoiseReport
    from unnoise.noise.stack_report import StackReport

    AnyReport = NoiseReport | StackReport


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
    dark: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A picture or stack that the same camera took without light: adds its gain, offset and read noise.",
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Take the folders in folders too.", rich_help_panel=FILES)
    ] = False,
    axes: options.AxesOption = None,
) -> None:
    """Measure the noise of pictures from the pictures alone: level, correlation, clipping, JPEG's blocks; and what to do about it.

    One picture gives a full report, and the advised model is tried on its middle. Several give a table with a line for
    each, and a summary. Of a stack some frames are measured, each channel by itself. Photographs are told in steps of
    their type, measurements in their own values.
    """
    from unnoise import images
    from unnoise.images.arrays_on_disk import check_axes
    from unnoise.models.inspection import inspect_file, read_dark

    check_axes(axes)
    files = images.find_pictures(pictures, recursive=recursive)
    several = files != pictures or len(files) > 1
    if plot:
        _check_plot(plot, files)
    dark_frame = read_dark(dark)
    reports: dict[Path, AnyReport] = {}
    failures: list[UnnoiseError] = []
    for file in files:
        try:
            with working_on(file):
                reports[file] = inspect_file(file, axes=axes, dark=dark_frame, tries_model=not several)
        except UnnoiseError as error:
            if not several:
                raise
            failures.append(error)
    if plot:
        from unnoise.noise.plot import save
        from unnoise.noise.report import NoiseReport

        found = reports[files[0]]
        save(found if isinstance(found, NoiseReport) else found.middle(), plot, title=files[0].name)
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


def _show(reports: dict[Path, AnyReport], several: bool, json: bool) -> None:
    from rich.console import Console

    if json and several:
        import json as library

        entries = [{"name": str(file)} | report.model_dump(mode="json") for file, report in reports.items()]
        typer.echo(library.dumps(entries, indent=2))
    elif json:
        typer.echo(next(iter(reports.values())).to_json())
    elif several:
        Console().print(_table(reports))
        if len(reports) > 1:
            typer.echo(_summary(reports))
    else:
        Console().print(next(iter(reports.values())).table())


def _table(reports: dict[Path, AnyReport]) -> Table:
    """One line for each picture, and for each channel of a stack."""
    from rich.table import Table
    from rich.text import Text

    from unnoise.noise.stack_report import StackReport

    table = Table()
    table.add_column("picture", overflow="fold")
    for heading in ("size", "noise\nlevel", "correlation\nat 1, 2 pixels", "black /\nwhite", "JPEG\ngrid", "model", "recipe"):
        table.add_column(heading)
    for file, found in reports.items():
        if not isinstance(found, StackReport):
            table.add_row(Text(str(file)), f"{found.width}×{found.height}", found.level_text(), *_cells(found))
            continue
        for channel in found.channels():
            part = found.of_channel(channel)
            one = part.middle()
            name = str(file) if channel is None else f"{file}, channel {channel}"
            table.add_row(Text(name), f"{one.width}×{one.height}, {found.frames} frames", part.level_text(), *_cells(one))
    return table


def _cells(report: NoiseReport) -> list[str]:
    advice = report.advice
    return [
        "" if report.autocorrelation is None else f"{report.lag(1):.2f}  {report.lag(2):.2f}",
        f"{max(report.black):.1%} / {max(report.white):.1%}",
        f"{report.blocking:.2f}" if report.blocks_found else "–",
        (advice.model if advice else None) or "–",
        advice.recipe if advice else "–",
    ]


def _summary(reports: dict[Path, AnyReport]) -> str:
    """The range of the levels, for each unit."""
    from collections import defaultdict
    from statistics import median

    from unnoise.noise.stack_report import StackReport

    levels: dict[str, list[float]] = defaultdict(list)
    for found in reports.values():
        singles = [one.report for one in found.pictures] if isinstance(found, StackReport) else [found]
        measured = [level for one in singles if (level := one.own_level) is not None]
        if measured:
            levels[singles[0].unit].append(median(measured))
    told = [f"{min(x):.3g} to {max(x):.3g} {unit}, median {median(x):.3g} ({len(x)} files)" for unit, x in levels.items()]
    return f"Noise levels: {'; '.join(told)}." if told else "No noise level could be measured."
