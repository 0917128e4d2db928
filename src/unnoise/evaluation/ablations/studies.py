"""The ablation studies of the AMSNet paper, and one more. Each is a constant here and a line in the table of the
package.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, section 4.3.
"""

from __future__ import annotations

from typing import Any

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small_networks import variant_recipe

FINE_TUNING_SHARE = 0.5
"""Steps of fine-tuning for each step of the first training. The paper gives no number; a step with both branches takes
twice as long."""


def _identity(full: bool) -> list[Variant]:
    return [
        Variant("amsnet+dbsn", variant_recipe("amsnet-b", full, "dbsn"), (37.25, 0.8871)),
        Variant("amsnet+dbsn-dense", variant_recipe("amsnet-b", full, "dbsn-dense"), (37.11, 0.8863)),
        Variant("ap-bsn+dbsn", variant_recipe("ap-bsn", full, "dbsn"), (36.74, 0.8501)),
        Variant("ap-bsn+dbsn-dense", variant_recipe("ap-bsn", full, "dbsn-dense"), (20.91, 0.2447)),
    ]


IDENTITY = Ablation("Which scheme needs a blind network", "Table 3", True, _identity)
"""AP-BSN's scheme needs a blind network, and learns the identity from another one. AMSNet's scheme does not."""

_DENOISER_SCORES = {
    "restormer": (37.93, 0.8948),
    "deamnet": (37.80, 0.8923),
    "dncnn": (36.93, 0.8864),
    "nafnet-baseline": (37.10, 0.8814),
    "unet": (36.94, 0.8854),
    "dbsn": (37.25, 0.8871),
}


def _denoiser(full: bool) -> list[Variant]:
    return [Variant(name, variant_recipe("amsnet-b", full, name), scores) for name, scores in _DENOISER_SCORES.items()]


DENOISER = Ablation("AMSNet's scheme with each denoiser", "Tables 3 and 4", True, _denoiser)
"""AMSNet's scheme with networks of every kind (Table 4), and with the D-BSN of Table 3."""


def _loss(full: bool) -> list[Variant]:
    first = variant_recipe("amsnet-b", full)
    return [
        Variant("start", first),
        Variant("L_m", first, (36.60, 0.8551), "start", FINE_TUNING_SHARE),
        Variant("L_t", variant_recipe("amsnet-p", full), (36.71, 0.8519), "start", FINE_TUNING_SHARE),
    ]


LOSS = Ablation("Going on with the mask loss, or with total variation", "Fig. 9, Table 1", False, _loss)
"""Fine-tuning with total variation (L_t, Eq. 10), against as many more steps with the mask loss (L_m, Eq. 4)."""

_MASK_RATIOS: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    # With 1/k hidden, k branches hide each pixel once. With three quarters hidden, four branches hide it three times.
    "75": ({"keep": 0.25, "masks": 4, "overlap": 3}, (34.12, 0.8589)),
    "50": ({"keep": 0.5, "masks": 2}, (37.93, 0.8948)),
    "25": ({"keep": 0.75, "masks": 4}, (37.90, 0.8940)),
    "12.5": ({"keep": 0.875, "masks": 8}, (37.90, 0.8941)),
    "6.25": ({"keep": 0.9375, "masks": 16}, (35.83, 0.8817)),
}


def _mask_ratio(full: bool) -> list[Variant]:
    return [
        Variant(share, variant_recipe("amsnet-b", full, **masks), scores) for share, (masks, scores) in _MASK_RATIOS.items()
    ]


MASK_RATIO = Ablation("The share of the pixels that is hidden", "Fig. 10", True, _mask_ratio, axis="hidden in each branch, %")
"""The share of the pixels that each branch hides, in training and at inference."""

_LAMBDA_PSNR = {1: 36.40, 0.5: 36.45, 0.2: 36.55, 0.1: 36.71, 0.05: 36.71, 0.01: 36.62, 0.001: 36.61, 0.0001: 36.61}


def _lambda(full: bool) -> list[Variant]:
    tuned = [
        Variant(f"{weight:g}", variant_recipe("amsnet-p", full, weight=weight), (psnr,), "start", FINE_TUNING_SHARE)
        for weight, psnr in _LAMBDA_PSNR.items()
    ]
    return [Variant("start", variant_recipe("amsnet-b", full)), *tuned]


LAMBDA = Ablation("The weight of total variation", "Fig. 11", False, _lambda, axis="λ")
"""The weight λ of total variation in fine-tuning, each time from the same AMSNet-B."""


def _partitions(full: bool) -> list[Variant]:
    several = [Variant(str(count), variant_recipe("amsnet-b", full, partitions=count), start="1") for count in (2, 4, 8, 16)]
    return [Variant("1", variant_recipe("amsnet-b", full)), *several]


PARTITIONS = Ablation("Averaging over random partitions", "not in the paper", False, _partitions, axis="partitions")
"""What the mean of AMSNet-B's first estimates over several random partitions gains. The work grows with their
number."""
