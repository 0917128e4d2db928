"""Scenes that are drawn, not photographed, in colours of the whole gamut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.charts import chart, patchwork, shades
from unnoise.simulation.filters import blur
from unnoise.simulation.line_art import drawing, page
from unnoise.simulation.star_fields import stars

Array = NDArray[Any]
Kind = Callable[[int, np.random.Generator], Array]

KINDS: dict[str, tuple[float, Kind]] = {
    "chart": (0.2, chart),
    "shades": (0.22, shades),
    "patchwork": (0.25, patchwork),
    "page": (0.12, page),
    "drawing": (0.11, drawing),
    "stars": (0.1, stars),
}
"""Each kind's share of the scenes, and the function that draws (side, side, 3) in 0..1."""
SOFT_SHARE = 0.3
"""Share of the scenes that are a little out of focus."""


def drawn_scene(
    side: int, generator: np.random.Generator, kind: str | None = None, shares: Mapping[Any, float] | None = None
) -> Array:
    """A scene without noise.

    Args:
        side: of the picture in pixels.
        generator: of kind and content.
        kind: one of `KINDS`; None: drawn by their shares.
        shares: of kinds, in any unit; None: those of `KINDS`.

    Returns:
        (side, side, 3) float32 in 0..1, sRGB.

    >>> import numpy as np
    >>> scene = drawn_scene(64, np.random.default_rng(0), "chart")
    >>> scene.shape, scene.dtype.name
    ((64, 64, 3), 'float32')
    """
    if kind is None:
        weights = np.array([share for share, _ in KINDS.values()] if shares is None else list(shares.values()))
        kind = str(generator.choice(list(shares or KINDS), p=weights / weights.sum()))
    picture = np.clip(KINDS[kind][1](side, generator), 0, 1).astype(np.float32)
    if generator.random() >= SOFT_SHARE:
        return picture
    return np.clip(blur(picture, float(generator.uniform(0.3, 1.5))), 0, 1)  # weights add up to a little more than 1
