"""Sizes of all denoisers that keep their structure and are quick to trace."""

from __future__ import annotations

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 4, "modules": 2},
    "dbsn-dense": {"features": 4, "modules": 2},
    "ssbsn": {"features": 4, "modules": 2, "attention_modules": 1},
    "tmbsn": {"features": 4, "groups": 2, "blocks": 1},
    "restormer": {"dim": 8, "blocks": [1, 1, 1, 1], "refinement_blocks": 1, "heads": [1, 2, 4, 8]},
    "deamnet": {"features": 8},
    "nafnet": {"width": 4, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "nafnet-baseline": {"width": 4, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "unet": {"features": 4},
    "unet-blindspot": {"features": 4},
    "dncnn": {"features": 4, "layers": 4},
    "n2v-unet": {"features": 4, "blur_pool": True},
    "zs-n2n": {"features": 4},
    "lan": {"features": 16, "blocks": 1},
    "cvf-sid": {"features": 4, "layers": 3, "noise_layers": 1},
    "cvf-sid-twice": {"features": 4, "layers": 3, "noise_layers": 1},
    "scpgabn": {"features": 4, "generator_features": 6, "critic_features": 2, "blocks": 1},
    "i2v": {"features": 4, "modules": 1, "noise_features": 4, "noise_layers": 3},
    "cbdnet": {"features": 4},
    "ridnet": {"features": 16, "blocks": 1},
    "vdn": {"width": 4},
    "danet": {"width": 4},
    "laine19": {"width": 4},
    "c2n": {"features": 4, "layers": 4, "critic_blocks": 1},
    "gcbd": {"features": 4, "layers": 4, "critic_blocks": 1},
    "mash-unet": {"width": 6},
    "self2self-unet": {"width": 6},
    "dbsn-first": {"features": 4, "blocks": 1, "width": 4},
    "ffdnet": {"features": 4, "layers": 4},
    "drunet": {"width": 4, "blocks": 1},
    "tbsn": {"dim": 8, "blocks": [1, 1, 1], "refinement_blocks": 1, "head_width": 4},
    "puca": {"width": 8, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "lgbpn": {"features": 8, "modules": 1},
    "scunet": {"width": 4, "blocks": [2, 1, 1, 1, 1, 1, 1], "head_width": 2},
} | {
    name: {"width": 4}
    for name in (
        "atbsn",
        "atbsn-student-a",
        "atbsn-student-b",
        "atbsn-student-c",
        "tmbsn-student",
        "tmbsn-student-rounded",
        "bnn",
        "unet-nearest",
        "tbsn-student",
    )
}
