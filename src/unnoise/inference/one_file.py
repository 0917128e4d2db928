"""One picture file to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unnoise import images
from unnoise.inference.bands import Progress
from unnoise.inference.stream import InMemory, restore_regions
from unnoise.model import Model


def denoise_file(
    model: Model, source: Path, target: Path, *, overwrite: bool = False, progress: Progress | None = None, **options: Any
) -> None:
    """Restore the picture in `source` into `target`, with no copy of it in memory but its own pixels and the result's.

    Args:
        model: on any device.
        source, target: picture files.
        overwrite: `target` may replace a file.
        progress: called after each tile.
        options: as `Model.denoise` takes them.

    Raises:
        UsageError, UnnoiseError: as `images.read`, `restore_regions` and `images.write` do, naming the file.
    """
    picture = images.read(source)
    restored = np.empty_like(picture.pixels)
    settings = model.settings(**options)
    pixels = InMemory(picture.pixels)
    for rows, strip in restore_regions(model.network, model.recipe.scheme, pixels, settings, progress, name=str(source)):
        restored[rows] = strip
    picture = picture.with_pixels(restored)
    del pixels  # the noisy ones: encoding takes memory too
    images.write(target, picture, overwrite=overwrite)
