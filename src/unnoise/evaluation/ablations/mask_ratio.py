"""Fig. 10: the share of the pixels that each branch hides, in training and at inference alike."""

from __future__ import annotations

from typing import Any

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small import version

_PAPER: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    # With 1/k hidden, k branches hide each pixel once; with three quarters, four branches hide it three times.
    "75": ({"keep": 0.25, "masks": 4, "overlap": 3}, (34.12, 0.8589)),
    "50": ({"keep": 0.5, "masks": 2}, (37.93, 0.8948)),
    "25": ({"keep": 0.75, "masks": 4}, (37.90, 0.8940)),
    "12.5": ({"keep": 0.875, "masks": 8}, (37.90, 0.8941)),
    "6.25": ({"keep": 0.9375, "masks": 16}, (35.83, 0.8817)),
}


def _variants(full: bool) -> list[Variant]:
    return [Variant(share, version("amsnet-b", full, **masks), paper) for share, (masks, paper) in _PAPER.items()]


MASK_RATIO = Ablation("The share of the pixels that is hidden", "Fig. 10", True, _variants, axis="hidden in each branch, %")
