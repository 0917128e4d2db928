"""The one-call way to denoise an image."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from unnoise.models import shipped
from unnoise.models.model import Model

Image = TypeVar("Image")


def denoise(image: Image, model: str | Path | Model = "default", **options: Any) -> Image:
    """Take the noise out of an image with a shipped model.

    Args:
        image: see `unnoise.Model.denoise`.
        model: a name, a file, or a model. One that is named stays loaded for the next call.
        options: as `unnoise.Model.denoise` takes them.

    Returns:
        What came in: the same kind, shape, dtype and range.

    Raises:
        UsageError: there is no such model, or as `unnoise.Model.denoise` does.
        UnnoiseError: a model's file that is damaged, or as `unnoise.Model.denoise` does.
    """
    return (model if isinstance(model, Model) else _loaded(str(model))).denoise(image, **options)


@lru_cache(maxsize=2)
def _loaded(name: str) -> Model:
    return shipped.load(name)
