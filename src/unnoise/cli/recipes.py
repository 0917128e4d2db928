"""`unnoise recipes`: the methods that can be trained."""

from __future__ import annotations

from typing import Annotated

import typer

from unnoise.cli import options


def recipes(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE]...", help="Show these, with their papers; default: all.", autocompletion=options.complete_recipe
        ),
    ] = None,
) -> None:
    """List the recipes: what each is for, and how long its training takes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from unnoise import recipes as shelf

    table = Table("recipe", "for", "training takes", *(["paper"] if names else []), show_lines=bool(names))
    table.columns[0].no_wrap = True
    for name in names or shelf.names():
        purpose, cost, source = shelf.summary(name)
        table.add_row(name, *map(Text, (purpose, cost, *([source] if names else []))))
    Console().print(table)
