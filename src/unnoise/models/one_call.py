"""`unnoise.denoise`: denoise an image with one call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from unnoise.models import shipped
from unnoise.models.model import Model

Image = TypeVar("Image")


def denoise(image: Image, model: str | Path | Model = "default", **options: Any) -> Image:
    """Remove the noise of an image with a shipped model.

    Args:
        image: as `unnoise.Model.denoise` takes it.
        model: a name, a file, or a model. A named model stays loaded for the next call.
        options: as `unnoise.Model.denoise` takes them.

    Returns:
        An image of the same kind, shape, dtype and range.

    Raises:
        UsageError: the model does not exist; also as `unnoise.Model.denoise`.
        UnnoiseError: the file of the model is damaged; also as `unnoise.Model.denoise`.

    >>> import numpy as np
    >>> int(denoise(np.full((16, 16), 100, np.uint8), strength=0).max())
    100
    """
    return (model if isinstance(model, Model) else _loaded(str(model))).denoise(image, **options)


@lru_cache(maxsize=2)
def _loaded(name: str) -> Model:
    return shipped.load(name)
