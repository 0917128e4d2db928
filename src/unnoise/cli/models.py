"""`unnoise models`: what ships with the package."""

from __future__ import annotations


def models() -> None:
    """List the shipped models, with their scores."""
    from rich.console import Console
    from rich.table import Table

    from unnoise import zoo

    table = Table("model", "network", "parameters", "trained on", "licence", "scores")
    for name in zoo.names():
        model = zoo.load(name)
        scores = "\n".join(f"{place}: {score}" for place, score in model.card.scores.items())
        table.add_row(
            name,
            model.recipe.denoiser.name,
            f"{model.network.parameter_count():,}",
            "\n".join(model.card.data),
            model.card.licence,
            scores,
        )
    Console().print(table)
