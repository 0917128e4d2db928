"""`unnoise recipes`: the methods that can be trained."""

from __future__ import annotations


def recipes() -> None:
    """List the recipes, with their papers."""
    from rich.console import Console
    from rich.table import Table

    from unnoise import recipes as shelf

    table = Table("recipe", "source")
    for name in shelf.names():
        table.add_row(name, shelf.source(name))
    Console().print(table)
