"""Pages of text and line art: the sharpest edges there are, on plain ground."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.charts import shades
from unnoise.simulation.palettes import pair_of_colors, palette

Array = NDArray[Any]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?()+-=/%&§éüßñçλπ"
POINTS = 7.0, 48.0
"""Size of the letters in pixels, drawn evenly in the logarithm."""
LINE_PIXELS = 0.8, 4.0
"""Width of the lines."""


def page(side: int, generator: np.random.Generator) -> Array:
    """Lines of random letters in one of matplotlib's own fonts, (side, side, 3) in 0..1.

    >>> page(32, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    size = float(np.exp(generator.uniform(*np.log(POINTS))))
    ink, ground = _ink_and_ground(side, generator)
    cover = np.zeros((side, side), np.float32)
    font = str(generator.choice(_fonts()))
    smooth = bool(generator.random() < 0.8)
    top = int(generator.integers(-int(size), 4))
    while top < side:
        line = _line(font, size, smooth, _words(int(2.5 * side / size) + 4, generator))  # (h, w) in 0..1
        left = int(generator.integers(-max(1, line.shape[1] // 4), 8))
        _lay(cover, line, top, left)
        top += max(line.shape[0], 4) + int(generator.integers(0, int(size) + 1))
    return ground + cover[..., None] * (ink - ground)


def drawing(side: int, generator: np.random.Generator) -> Array:
    """Straight lines, circles and boxes of any width and colour, (side, side, 3) in 0..1.

    >>> drawing(32, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    _, picture = _ink_and_ground(side, generator)
    picture = np.broadcast_to(picture, (side, side, 3)).copy()
    y, x = np.mgrid[:side, :side].astype(np.float32)
    count = int(generator.integers(4, 24))
    colors = palette(count, generator) if generator.random() < 0.6 else np.tile(palette(1, generator), (count, 1))
    hard = generator.random() < 0.3
    for color in colors:
        middle, angle = generator.uniform(0, side, 2), generator.uniform(0, np.pi)
        if generator.random() < 0.3:
            angle = generator.choice((0, np.pi / 2))
        along = (x - middle[1]) * np.cos(angle) + (y - middle[0]) * np.sin(angle)
        across = (y - middle[0]) * np.cos(angle) - (x - middle[1]) * np.sin(angle)
        kind, length, half = generator.integers(4), generator.uniform(4, side / 2), generator.uniform(*LINE_PIXELS) / 2
        if kind == 0:
            outside = np.maximum(np.abs(across) - half, np.abs(along) - length)
        elif kind == 1:
            outside = np.abs(np.hypot(along, across) - length / 2) - half
        elif kind == 2:
            outside = np.hypot(along, across) - length / 4
        else:
            outside = np.maximum(np.abs(along) - length / 2, np.abs(across) - length / 3)
        cover = (outside < 0).astype(np.float32) if hard else np.clip(0.5 - outside, 0, 1)
        picture += cover[..., None] * (color - picture)
    return picture


def _ink_and_ground(side: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """A colour (3,), and a plain (3,) or shaded (side, side, 3) ground."""
    ink, ground = pair_of_colors(generator)
    return ink, shades(side, generator) if generator.random() < 0.25 else ground


def _words(count: int, generator: np.random.Generator) -> str:
    chosen = generator.integers(len(LETTERS), size=count)
    spaces = generator.random(count) < 0.15
    return "".join(" " if space else LETTERS[letter] for letter, space in zip(chosen, spaces, strict=True))


def _line(font: str, size: float, smooth: bool, words: str) -> Array:
    """One line of text as cover, (h, w) float32 in 0..1."""
    from matplotlib.ft2font import FT2Font  # late: only training draws letters

    face = FT2Font(font)
    face.set_size(size, 72)
    face.set_text(words)
    face.draw_glyphs_to_bitmap(antialiased=smooth)
    cover: Array = np.asarray(face.get_image(), np.float32)
    return cover / max(float(cover.max(initial=0)), 1.0)


def _lay(cover: Array, line: Array, top: int, left: int) -> None:
    """Put a line where it belongs, as far as it lies within `cover`."""
    rows = slice(max(top, 0), max(min(top + line.shape[0], cover.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + line.shape[1], cover.shape[1]), 0))
    cover[rows, columns] = line[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


@cache
def _fonts() -> list[str]:
    """Files of the fonts that matplotlib ships and that hold plain letters."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(str(file) for file in folder.glob("DejaVu*.ttf") if "Display" not in file.name)
