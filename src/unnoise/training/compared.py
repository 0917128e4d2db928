"""After a training: is the model any better than the noisy pictures, and than the model that ships?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unnoise.errors import UnnoiseWarning
from unnoise.images.frames import sample_pictures
from unnoise.models import shipped
from unnoise.models.comparison import Comparison, compare_models
from unnoise.models.model import Model

OTHER_MODEL = "default"
PICTURES = 4
"""So many pictures are compared, spread evenly."""


def compared(model: Model, sources: Sequence[Any], path: Path, *, axes: str | None = None, accept: bool = False) -> Model:
    """Compare a trained model, and write the result into its card and its file.

    Args:
        model: is not changed.
        sources: the files or arrays that it learned from.
        path: of the model's file, which is replaced.
        axes: as `unnoise.train` takes them.
        accept: leave the warning out.

    Returns:
        The model with its new card.
    """
    pictures = list(sample_pictures(sources, PICTURES, axes=axes))[:PICTURES]
    model.to("cpu")
    found = compare_models(model, shipped.load(OTHER_MODEL), pictures, name=OTHER_MODEL)
    made = Model(model.network, model.recipe, model.card.model_copy(update=_fields(found, accept)))
    made.save(path)
    if made.card.warning:
        warnings.warn(made.card.warning, UnnoiseWarning, stacklevel=3)
    return made


def _fields(found: Comparison, accept: bool) -> dict[str, Any]:
    scores = {"its own noisy pictures, estimated": found.sentence()}
    return {"scores": scores, "warning": found.sentence() if found.is_worse and not accept else ""}
