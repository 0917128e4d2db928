"""Judging models on pictures with a clean version: data sets, metrics, scoring protocols, scores, ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unnoise.deprecated.module_names import renamed
from unnoise.registry import lazy_imports

if TYPE_CHECKING:
    from unnoise.evaluation.scoring import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]


_get, _ = lazy_imports(__name__, dict.fromkeys(__all__, "unnoise.evaluation.scoring"))  # the data sets load without torch
_old = renamed(
    __name__,
    {"ImageScore": "unnoise.evaluation.scoring:ImageScore", "Denoises": "unnoise.evaluation.scoring:SupportsDenoise"},
)


def __getattr__(name: str) -> Any:
    return _get(name) if name in __all__ else _old(name)
