"""Judging models on pictures with a clean version: data sets, metrics, scoring protocols, scores, ablations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unnoise.deprecated.module_names import renamed

if TYPE_CHECKING:
    from unnoise.evaluation.scoring import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # lazily, because the data sets must load without torch
        return getattr(import_module("unnoise.evaluation.scoring"), name)
    return _old(name)


_old = renamed(
    __name__,
    {"ImageScore": "unnoise.evaluation.scoring:ImageScore", "Denoises": "unnoise.evaluation.scoring:SupportsDenoise"},
)
