"""Small networks and short trainings for ablations: minutes, and not days."""

from __future__ import annotations

from typing import Any

from unnoise import recipes
from unnoise.recipes.schema import Recipe

SMALL_SIZES: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 16, "modules": 3},
    "dbsn-dense": {"features": 16, "modules": 3},
    "restormer": {"dim": 8, "blocks": [1, 1, 1, 2], "refinement_blocks": 1, "heads": [1, 2, 4, 8]},
    "deamnet": {"features": 16},
    "nafnet-baseline": {"width": 16, "encoder_blocks": [1, 1, 2], "middle_blocks": 2, "decoder_blocks": [1, 1, 1]},
    "unet": {"features": 16},
    "dncnn": {"features": 24, "layers": 8},
}
"""27 to 433 thousand parameters. A step takes one CPU core 0.1 to 0.2 seconds."""

SMALL_TRAINING: dict[str, Any] = {
    "crop": 160,
    "batch": 1,
    "optimizer": "adam",
    "learning_rate": 8.0e-4,
    "schedule": "cosine",
    "warmup_steps": 20,
    "ema": 0.99,
    "flips": True,
    "turns": True,
}
"""The same for all variants, including crops and turns, whatever their recipes say. But see `NETWORK_TRAINING`."""

NETWORK_TRAINING: dict[str, dict[str, Any]] = {
    # With the published initialization, both would spend the first minutes on finding the brightness.
    "dbsn": {"initialization": "he"},
    "dbsn-dense": {"initialization": "he"},
    "unet": {"initialization": "he"},
    # Batch normalization removes the mean and the spread of its batch. For one crop these are its brightness and color,
    # and the network never learns them. For eight crops they are nearly those of all pictures, which also hold at
    # inference. The eight smaller crops have twice the pixels of the others' one. The rate is higher by about √8,
    # because there are fewer steps.
    "dncnn": {"crop": 80, "batch": 8, "learning_rate": 2.4e-3},
}
"""What a network needs in addition to `SMALL_TRAINING` to learn anything in minutes."""

SMALL_DENOISER = "nafnet-baseline"
"""Replaces the paper's Restormer. A step of a small Restormer takes several times as long."""


def variant_recipe(base: str, full: bool, denoiser: str | None = None, **changes: Any) -> Recipe:
    """The recipe of a variant.

    Args:
        base: name of the shipped recipe that it varies.
        full: whether to keep the recipe's sizes and training. Otherwise use `SMALL_SIZES`, `SMALL_TRAINING`,
            `NETWORK_TRAINING` and bias correction.
        denoiser: another network. None: the recipe's if `full`, else `SMALL_DENOISER`.
        changes: fields of the scheme.

    >>> variant_recipe("amsnet-b", False, "unet").denoiser.sizes
    {'features': 16}
    """
    fields: dict[str, Any] = {f"scheme.{field}": value for field, value in changes.items()}
    if full:
        return recipes.load(base, ({"denoiser": {"name": denoiser}} if denoiser else {}) | fields)
    name = denoiser or SMALL_DENOISER
    training = {f"training.{field}": value for field, value in (SMALL_TRAINING | NETWORK_TRAINING.get(name, {})).items()}
    # After minutes of training, the largest error is in the color of whole surfaces. The noisy picture has the right
    # one.
    return recipes.load(base, {"denoiser": {"name": name, **SMALL_SIZES[name]}, "bias_correction": "auto"} | training | fields)
