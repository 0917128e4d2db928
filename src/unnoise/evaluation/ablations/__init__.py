"""The ablations of the AMSNet paper, each a handful of recipes that differ in one thing. One file each, one line in the table below.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, section 4.3. Listing them imports no torch.
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
        "identity": "identity:IDENTITY",
        "denoiser": "denoiser:DENOISER",
        "loss": "loss:LOSS",
        "mask-ratio": "mask_ratio:MASK_RATIO",
        "lambda": "smoothness:LAMBDA",
        "partitions": "partitions:PARTITIONS",
    },
)

names = _ABLATIONS.names
lookup = _ABLATIONS.lookup
