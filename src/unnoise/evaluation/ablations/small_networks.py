"""Small versions of the networks and a pace for minutes: what an ablation trains when it is not told to train the full ones."""

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
"""From 27 to 433 thousand parameters: a step takes a CPU core a tenth of a second or two."""

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
"""The same for all variants, crops and turns too, whatever their recipes say at full size; but see `NETWORK_TRAINING`."""

NETWORK_TRAINING: dict[str, dict[str, Any]] = {
    # The published first weights of both would spend the first minutes on finding the brightness.
    "dbsn": {"initialization": "he"},
    "dbsn-dense": {"initialization": "he"},
    "unet": {"initialization": "he"},
    # Batch normalisation takes the mean and the spread out of its batch. Of one crop these are its light and colour, which the network
    # then never learns to tell; of eight crops they are nearly those of all pictures, which hold when it is applied. Half as large, the
    # eight have twice the pixels of the others' one; the rate is up by about the root of eight, as the steps are fewer.
    "dncnn": {"crop": 80, "batch": 8, "learning_rate": 2.4e-3},
}
"""What a network needs beside `SMALL_TRAINING` to learn anything in minutes."""

SMALL_DENOISER = "nafnet-baseline"
"""Stands in for the paper's Restormer, whose small version takes several times as long for a step."""


def variant_recipe(base: str, full: bool, denoiser: str | None = None, **changes: Any) -> Recipe:
    """A variant's recipe.

    Args:
        base: the shipped recipe that it varies.
        full: as the recipe has it, or with `SMALL_SIZES`, `SMALL_TRAINING` and `NETWORK_TRAINING`, and its light kept.
        denoiser: another network; None: the recipe's, or `SMALL_DENOISER` where it is small.
        changes: fields of the scheme.
    """
    fields: dict[str, Any] = {f"scheme.{field}": value for field, value in changes.items()}
    if full:
        return recipes.load(base, ({"denoiser": {"name": denoiser}} if denoiser else {}) | fields)
    name = denoiser or SMALL_DENOISER
    training = {f"training.{field}": value for field, value in (SMALL_TRAINING | NETWORK_TRAINING.get(name, {})).items()}
    # What minutes of training are furthest off in is the colour of whole surfaces, which the noisy picture tells.
    return recipes.load(base, {"denoiser": {"name": name, **SMALL_SIZES[name]}, "light": "auto"} | training | fields)
