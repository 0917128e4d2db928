"""How a model shows itself in a notebook."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from unnoise.models.card import Card
from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 96
"""Of the sample, in pixels."""
NOISE = 20.0
"""Standard deviation of its noise, of 255."""


def card_html(name: str, card: Card) -> str:
    """The main facts of a card as a table.

    >>> "<th" in card_html("Model", Card(description="Small & quick."))
    True
    """
    rows = {
        "about": [card.description],
        "warning": [card.warning],
        "scores": [f"{place}: {score}" for place, score in card.scores.items()],
        "speed": [card.speed],
        "trained on": card.data,
        "fails on": card.known_failures,
        "licence": [card.licence],
    }
    cells = "".join(
        f'<tr><th style="text-align: left; vertical-align: top">{heading}</th>'
        f'<td style="text-align: left">{"<br>".join(map(html.escape, filter(None, lines)))}</td></tr>'
        for heading, lines in rows.items()
        if any(lines)
    )
    return f"<b>{html.escape(name)}</b><table>{cells}</table>"


def plot_sample(denoise: Callable[[Any], Any]) -> Figure:
    """A drawn scene with white noise, restored by a function, and what it removed.

    Raises:
        UnnoiseError: matplotlib is not installed.

    >>> len(plot_sample(lambda noisy: noisy).axes)
    3
    """
    require("matplotlib", "The plot")
    from matplotlib.figure import Figure

    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    rings = 0.5 + 0.3 * np.sin(40 * (x - 0.5) ** 2 + 40 * (y - 0.5) ** 2) * (x > 0.5)
    clean = np.stack([rings, 0.7 * rings + 0.2 * x, 0.4 + 0.4 * y], axis=-1)
    noisy = np.clip(255 * clean + np.random.default_rng(0).normal(0, NOISE, clean.shape), 0, 255).astype(np.uint8)
    restored = denoise(noisy)
    removed = np.clip(128 + 3 * (noisy.astype(float) - restored), 0, 255).astype(np.uint8)
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, pixels, title in zip(
        figure.subplots(1, 3), (noisy, restored, removed), ("noisy", "restored", "removed, three times as strong"), strict=True
    ):
        axis.imshow(pixels, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    return figure
