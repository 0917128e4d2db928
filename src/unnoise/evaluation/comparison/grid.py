"""Grids of zoomed crops, as papers show them: the noisy picture, each method, the truth, and the PSNR under each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.evaluation.datasets import DataSet
from unnoise.evaluation.scoring import SupportsDenoise
from unnoise.images.pixels import to_unit_float
from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[Any]
CROP_PIXELS = 96
INCHES = 1.7
"""Side of a crop in the figure."""


def zoomed_grid(models: Mapping[str, SupportsDenoise], data: DataSet, *, pictures: int = 3, **options: Any) -> Figure:
    """One row for each picture: a crop of the noisy one, of each model's result, and of the clean one.

    Each crop is where its clean picture has most structure. The PSNR is that of the crop, in 8 bits.

    Args:
        models: by the name above their column.
        data: with clean pictures.
        pictures: how many, spread evenly over the set.
        options: of `denoise`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from unnoise import images, load
    >>> from unnoise.evaluation.datasets import open_set
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for kind, value in (("noisy", 100), ("clean", 110)):
    ...         (Path(folder) / kind).mkdir()
    ...         images.write(Path(folder) / kind / "a.png", images.Picture(np.full((16, 16, 3), value, np.uint8)))
    ...     figure = zoomed_grid({}, open_set(f"pairs:{folder}"))
    >>> [axes.get_title() for axes in figure.axes], figure.axes[0].get_xlabel()
    (['noisy', 'clean'], '28.13 dB')
    """
    require("matplotlib", "A grid of crops")
    from matplotlib.figure import Figure

    chosen = list(data.spread(pictures))
    columns = ["noisy", *models, "clean"]
    figure = Figure(figsize=(INCHES * len(columns), (INCHES + 0.3) * len(chosen)), layout="constrained")
    grid = figure.subplots(len(chosen), len(columns), squeeze=False)
    for number, (line, pair) in enumerate(zip(grid, chosen, strict=True)):
        assert pair.clean is not None  # the comparison checked
        noisy, clean = to_unit_float(pair.noisy), to_unit_float(pair.clean)
        shown = {"noisy": noisy} | {name: model.denoise(noisy, **options) for name, model in models.items()} | {"clean": clean}
        place = busiest_crop(clean, CROP_PIXELS)
        for axes, (name, picture) in zip(line, shown.items(), strict=True):
            crop, truth = (np.rint(np.clip(each[place], 0, 1) * 255) for each in (picture, clean))
            axes.imshow(crop.astype(np.uint8), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title("" if number else name, fontsize=8)
            error = float(np.square(crop - truth).mean())
            axes.set_xlabel(f"{10 * np.log10(255**2 / error):.2f} dB" if error else pair.name, fontsize=8)
    return figure


def busiest_crop(picture: Pixels, side: int) -> tuple[slice, slice]:
    """Rows and columns of the square with most structure, the variance of its differences between neighbours.

    >>> picture = np.zeros((40, 60))
    >>> picture[20:30, 40:50] = np.random.default_rng(0).random((10, 10))
    >>> rows, columns = busiest_crop(picture, 16)
    >>> rows.start <= 20, rows.stop >= 30, columns.start <= 40, columns.stop >= 50
    (True, True, True, True)
    """
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    height, width = grey.shape
    tall, wide = min(side, height), min(side, width)
    activity = np.zeros((height + 1, width + 1))
    steps = np.square(np.diff(grey, axis=0, append=grey[-1:])) + np.square(np.diff(grey, axis=1, append=grey[:, -1:]))
    activity[1:, 1:] = steps.cumsum(axis=0).cumsum(axis=1)
    sums = activity[tall:, wide:] - activity[:-tall, wide:] - activity[tall:, :-wide] + activity[:-tall, :-wide]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return slice(int(top), int(top) + tall), slice(int(left), int(left) + wide)
