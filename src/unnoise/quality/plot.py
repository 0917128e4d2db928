"""The picture of a `Report`: before, after, the removed part, the structure in it, and the uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]

RESIDUAL_SIGMAS = 4.0
"""The residual is drawn around mid-grey. Black and white are this many of its standard deviations away."""


def draw(
    noisy: Floats,
    restored: Floats,
    structure: Floats,
    unsure: Floats,
    *,
    varied: str,
    one: float,
    unit: str,
    lines: Sequence[str],
) -> Figure:
    """Six panels: before, after, what was removed, two maps, and text.

    Args:
        noisy, restored: (H, W, C) in 0..1.
        structure, unsure: (H, W), as in a `Report`.
        varied: what differs between the results whose spread is `unsure`.
        one: what 1 in these pictures and maps is in the unit.
        unit: of the numbers in the titles.
        lines: of the text.

    >>> import numpy as np
    >>> picture, flat = np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32)
    >>> len(draw(picture, picture, flat, flat, varied="flips", one=255, unit="of 255", lines=["one"]).axes) >= 6
    True
    """
    require("matplotlib", "A report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = unsure.shape
    aspect = min(2.0, max(0.5, height / width))
    figure = Figure(figsize=(15, 9 * aspect + 1), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    residual = noisy - restored
    scale = RESIDUAL_SIGMAS * max(float(residual.std()), 1e-6)
    _picture(axes[0, 0], "before", noisy)
    _picture(axes[0, 1], "after", restored)
    _picture(axes[0, 2], f"removed, ±{scale * one:.3g} {unit}, gray: nothing", residual / (2 * scale) + 0.5)
    _map(figure, axes[1, 0], "structure in what was removed (correlation)", structure, (-0.5, 0.5), "RdBu_r")
    steps = unsure * one
    top = max(float(np.quantile(steps, 0.995)), 4e-4 * one)
    _map(figure, axes[1, 1], f"uncertainty: spread over {varied}, {unit}", steps, (0, top), "magma")
    _text(axes[1, 2], lines)
    return figure


def _picture(axes: Axes, title: str, pixels: NDArray[Any]) -> None:
    axes.set_title(title)
    axes.set_axis_off()
    shown = np.clip(pixels, 0, 1)
    axes.imshow(shown if shown.shape[2] == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _map(figure: Figure, axes: Axes, title: str, values: NDArray[Any], limits: tuple[float, float], colours: str) -> None:
    axes.set_title(title)
    axes.set_axis_off()
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    figure.colorbar(image, ax=axes, fraction=0.046)


def _text(axes: Axes, lines: Sequence[str]) -> None:
    axes.set_axis_off()
    axes.text(0, 1, "\n".join(lines), va="top", wrap=True, fontsize=12, transform=axes.transAxes)
