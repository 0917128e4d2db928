"""`unnoise data …`: data sets, whole or not, and stores of their crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look after data sets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look after data sets."""


@app.command()
def check(
    data: Annotated[
        str, typer.Argument(metavar="SET:DIR", help="As sidd-val:DIR, dnd:DIR, polyu:DIR or pairs:DIR.", show_default=False)
    ],
) -> None:
    """Read all pictures of a data set: their number, shapes and noise, against what is published of it.

    Exits with 1 if something is missing or wrong.
    """
    from rich.console import Console

    from unnoise.cli.progress import bar
    from unnoise.evaluation.datasets import open_set
    from unnoise.evaluation.datasets.checking import check as run

    opened = open_set(data)
    with bar("check") as progress:
        found = run(opened, progress)
    console = Console(highlight=False, markup=False)
    kind = f" ({found.edition})" if found.edition and found.is_whole else ""
    console.print(f"{found.pictures:,} pictures{kind}")
    for what, counts in (("shape", found.shapes), ("type", found.types)):
        told = [f"{name}: {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1])[:5]]
        console.print(f"{what}  {', '.join(told)}{', …' if len(counts) > 5 else ''}")
    if found.noisy_psnr_db is not None:
        console.print(f"noisy  {found.noisy_psnr_db:.2f} dB")
    console.print(f"pixels  SHA-256 {found.digest}…")
    for sentence in found.problems:
        typer.echo(f"unnoise: {sentence}", err=True)
    if not found.is_whole:
        raise typer.Exit(1)
    console.print("The data set is whole." if found.edition else "All pictures can be read.")


@app.command()
def prepare(
    data: Annotated[str, typer.Argument(metavar="SET:DIR", help="As sidd-medium:DIR or pairs:DIR.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the store.")] = ...,  # type: ignore[assignment]
    crop: Annotated[int, typer.Option(help="Side of the crops in pixels.")] = 256,
    step: Annotated[int | None, typer.Option(help="Distance of neighbouring crops in pixels; default: their side.")] = None,
) -> None:
    """Cut a data set into a store of crops, which 'unnoise train STORE' reads many times as fast as picture files.

    Interrupted, it goes on when it is called again. Pictures that are left out are named.
    """
    from unnoise.cli.progress import bar
    from unnoise.evaluation.datasets import open_set
    from unnoise.evaluation.datasets.preparing import prepare as run

    opened = open_set(data)
    try:
        with bar("prepare") as progress:
            made = run(opened, out, crop=crop, step=step, progress=progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"What is done is in {out}. Give the same command again to go on.") from None
    for sentence in made.skipped:
        typer.echo(f"Skipped: {sentence}", err=True)
    kept = f", {made.kept:,} of them from before" if made.kept else ""
    typer.echo(f"{out}: {made.crops:,} crops of {made.pictures:,} pictures{kept}.")
