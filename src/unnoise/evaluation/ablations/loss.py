"""Fig. 9: what fine-tuning with total variation brings (L_t, Eq. 10), against as many further steps with the mask loss (L_m, Eq. 4)."""

from __future__ import annotations

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small import version

FURTHER = 0.5
"""Steps of fine-tuning for each of the start's. The paper gives none; a step with both branches takes twice as long."""


def _variants(full: bool) -> list[Variant]:
    b = version("amsnet-b", full)
    return [
        Variant("start", b),
        Variant("L_m", b, (36.60, 0.8551), "start", FURTHER),
        Variant("L_t", version("amsnet-p", full), (36.71, 0.8519), "start", FURTHER),
    ]


LOSS = Ablation("Going on with the mask loss, or with total variation", "Fig. 9, Table 1", False, _variants)
