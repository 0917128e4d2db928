"""Reports as HTML, for notebooks, and as plain text."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 110
"""Width of a table in characters."""
BLOCK = '<pre style="font-family: monospace; line-height: 1.2; white-space: pre">{code}</pre>'


def as_html(renderable: Any) -> str:
    """Anything that rich can print, as a block of preformatted text.

    >>> "a &lt; b" in as_html("a < b")
    True
    """
    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), width=COLUMNS)
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format=BLOCK)


def as_text(renderable: Any) -> str:
    """Anything that rich can print, as plain text.

    >>> as_text("a < b")
    'a < b\\n'
    """
    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), width=COLUMNS)
    console.print(renderable)
    return console.export_text()


def figure_as_html(figure: Figure) -> str:
    """A figure as an image element that holds its PNG.

    >>> from matplotlib.figure import Figure
    >>> figure_as_html(Figure(figsize=(1, 1)))[:4]
    '<img'
    """
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return f'<img src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'
