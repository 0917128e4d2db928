"""Table 4: AMSNet's scheme with networks of every kind, and the D-BSN of Table 3 beside them."""

from __future__ import annotations

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small import version

_PAPER = {
    "restormer": (37.93, 0.8948),
    "deamnet": (37.80, 0.8923),
    "dncnn": (36.93, 0.8864),
    "nafnet-baseline": (37.10, 0.8814),
    "unet": (36.94, 0.8854),
    "dbsn": (37.25, 0.8871),
}


def _variants(full: bool) -> list[Variant]:
    return [Variant(name, version("amsnet-b", full, name), paper) for name, paper in _PAPER.items()]


DENOISER = Ablation("AMSNet's scheme with each denoiser", "Tables 3 and 4", True, _variants)
