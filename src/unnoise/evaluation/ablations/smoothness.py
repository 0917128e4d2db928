"""Fig. 11: the weight λ of total variation in fine-tuning, each from the same AMSNet-B."""

from __future__ import annotations

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.loss import FURTHER
from unnoise.evaluation.ablations.small import version

_PAPER = {1: 36.40, 0.5: 36.45, 0.2: 36.55, 0.1: 36.71, 0.05: 36.71, 0.01: 36.62, 0.001: 36.61, 0.0001: 36.61}


def _variants(full: bool) -> list[Variant]:
    tuned = [
        Variant(f"{weight:g}", version("amsnet-p", full, weight=weight), (psnr,), "start", FURTHER)
        for weight, psnr in _PAPER.items()
    ]
    return [Variant("start", version("amsnet-b", full)), *tuned]


LAMBDA = Ablation("The weight of total variation", "Fig. 11", False, _variants, axis="λ")
