"""One picture file to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unnoise import images
from unnoise.errors import UsageError
from unnoise.inference.bands import Progress
from unnoise.model import Model


def denoise_file(
    model: Model, source: Path, target: Path, *, overwrite: bool = False, progress: Progress | None = None, **options: Any
) -> None:
    """Restore the picture in `source` into `target`."""
    picture = images.read(source)
    try:
        restored = model.denoise(picture.pixels, progress=progress, **options)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
    images.write(target, picture.with_pixels(restored), overwrite=overwrite)
