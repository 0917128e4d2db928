"""One picture file to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.inference.bands import Progress
from unnoise.inference.blend_arrays import blend_arrays
from unnoise.inference.chain import Settings
from unnoise.inference.report import MARK, Report, make, middle
from unnoise.inference.stream import InMemory, restore_regions
from unnoise.inference.strength import check
from unnoise.model import Model


def denoise_file(
    model: Model,
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    strength: float = 1.0,
    detail: float = 0.0,
    report: bool = False,
    **options: Any,
) -> None:
    """Restore the picture in `source` into `target`, with no copy of it in memory but its own pixels and the result's.

    Args:
        model: on any device.
        source, target: picture files.
        overwrite: `target` may replace a file.
        progress: called after each tile.
        strength, detail: as `Model.denoise` takes them.
        report: write a `Report` beside `target`, as `target.report.png` and `.json` without the suffix of `target`.
        options: as `Model.denoise` takes them.

    Raises:
        UsageError, UnnoiseError: as `images.read`, `restore_regions` and `images.write` do, naming the file.
    """
    check(strength, detail)
    picture = images.read(source)
    restored = np.empty_like(picture.pixels)
    settings = model.settings(**options)
    pixels = InMemory(picture.pixels)
    if strength > 0:
        for rows, strip in restore_regions(model.network, model.recipe.scheme, pixels, settings, progress, name=str(source)):
            restored[rows] = strip
    blend_arrays(picture.pixels, restored, strength, detail)
    judged = _judged(model, picture.pixels, restored, settings, strength, detail) if report else None
    picture = picture.with_pixels(restored)
    del pixels  # the noisy ones: encoding takes memory too
    images.write(target, picture, overwrite=overwrite)
    if judged:
        judged.save(target.with_name(target.stem + MARK))


def _judged(
    model: Model, noisy: NDArray[Any], restored: NDArray[Any], settings: Settings, strength: float, detail: float
) -> Report:
    part = middle(noisy.shape[0], noisy.shape[1])
    before, after = (images.to_tensor(pixels[part])[0] for pixels in (noisy, restored))
    return make(model.network, model.recipe.scheme, before, after, settings, part, strength=strength, detail=detail)
