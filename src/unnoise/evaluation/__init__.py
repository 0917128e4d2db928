"""Judging models where there is truth: data sets, metrics and protocols, scores, ablations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unnoise.evaluation.scoring import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # lazily, because the data sets must load without torch
        return getattr(import_module("unnoise.evaluation.scoring"), name)
    raise AttributeError(f"module 'unnoise.evaluation' has no attribute '{name}'")
