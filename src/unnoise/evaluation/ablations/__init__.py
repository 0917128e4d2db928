"""Ablation studies: recipes that differ in one thing, trained and scored side by side.

A study is a constant in `studies.py` and a line in the table below. Listing the names imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.registry import Registry

if TYPE_CHECKING:
    from unnoise.evaluation.ablations.base import Ablation

_ABLATIONS: Registry[Ablation] = Registry(
    "ablation",
    "unnoise.evaluation.ablations",
    {
        "identity": "studies:IDENTITY",
        "denoiser": "studies:DENOISER",
        "loss": "studies:LOSS",
        "mask-ratio": "studies:MASK_RATIO",
        "lambda": "studies:LAMBDA",
        "partitions": "studies:PARTITIONS",
    },
)

names = _ABLATIONS.names
lookup = _ABLATIONS.lookup
