"""`unnoise models`: what ships with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from unnoise.models.description import Description


def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Names or files; default: all shipped.")
    ] = None,
) -> None:
    """List the shipped models: what they are for, their scores, speed, training, licence, and where they fail."""
    from rich.console import Console
    from rich.text import Text

    from unnoise.models import shipped
    from unnoise.models.description import describe

    console = Console()
    described = [describe(name) for name in names or shipped.names()]  # all, before the first is shown
    for model in described:
        console.print(Text(model.name, style="bold"), Text(model.card.description))
        console.print(_facts(model), "")


def _facts(model: Description) -> Table:
    from rich.table import Table
    from rich.text import Text

    card = model.card
    rows = {
        "network": [f"{model.denoiser}, {model.parameter_count:,} parameters"],
        "scores": [f"{place}: {score}" for place, score in card.scores.items()],
        "speed": [card.speed],
        "trained on": card.data,
        "by": [card.command],
        "fails": card.known_failures,
        "licence": [card.licence],
    }
    facts = Table.grid(padding=(0, 2))
    for heading, lines in rows.items():
        for number, line in enumerate(filter(None, lines)):
            facts.add_row("", Text("" if number else heading, style="dim"), Text(line))
    return facts
