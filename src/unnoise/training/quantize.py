"""A student of TM-BSN for int8: the steps of its hidden maps, chosen by what they hold, and what int8 then changes in the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.denoisers.rounded_student import RoundedStudent
from unnoise.denoisers.tmbsn import TMBSNStudent
from unnoise.errors import UsageError
from unnoise.images.pixels import to_unit_float
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.models.model import Model
from unnoise.noise import Camera
from unnoise.training.image_pool import ImagePool

ISO = (100, 1600, 12_800, 51_200)
CROP_PIXELS, CROP_COUNT = 128, 96
"""Of pictures so many crops of this side are looked at."""


class QuantizationChange(NamedTuple):
    """Mean squares over pictures in 0..1."""

    changed: float
    """Between the restorations in int8 and in float32."""
    removed: float
    """Between the noisy pictures and their restorations in float32."""


def quantize_model(model: Model, pool: ImagePool | None = None) -> Model:
    """The same model with steps for int8, chosen for simulated photographs and for crops of a pool, its weights as they were.

    Raises:
        UsageError: for a model that has no such form.
    """
    student = model.network
    if not isinstance(student, TMBSNStudent):
        raise UsageError(
            f"A {type(student).__name__} has no form whose maps are bytes; run it as it is with --precision int8, "
            "or train a student of TM-BSN, as by the recipe tm-bsn-d-quick."
        )
    network = RoundedStudent(**student.sizes)
    network.load_state_dict(student.state_dict())
    network.calibrate([*simulate_photographs(student.sizes["channels"]), *(sample_crops(pool) if pool else ())])
    fields = model.recipe.model_dump(mode="json") | {"denoiser": {"name": denoisers.name_of(network), "sizes": network.sizes}}
    return Model(network.eval(), recipes.validate(fields, model.recipe.name), model.card)


def measure_change(model: Model, pool: ImagePool | None = None) -> QuantizationChange:
    """What int8 makes of simulated photographs, or of crops of a pool. Raises `UsageError` where this machine has no int8."""
    changed, removed = [], []
    for noisy in sample_crops(pool) if pool else simulate_photographs(model.network.sizes["channels"]):
        exact, rounded = (
            Pipeline(model.network, model.recipe.scheme, InferenceSettings(precision=precision)).restore(noisy)
            for precision in ("float32", "int8")
        )
        changed.append((rounded - exact).square().mean().item())
        removed.append((noisy - exact).square().mean().item())
    return QuantizationChange(float(np.mean(changed)), float(np.mean(removed)))


def sample_crops(pool: ImagePool) -> Iterator[Tensor]:
    """Always the same ones, (1, C, H, W) each."""
    draw = np.random.default_rng(0)
    for _ in range(CROP_COUNT):
        yield _tensor(to_unit_float(pool.crop(draw, CROP_PIXELS)))


def simulate_photographs(channels: int = 3) -> list[Tensor]:
    """Simulated ones that cover black, white, edges, colours, texture, weak and strong noise, each (1, channels, 96, 96)."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96] / 96
    blocks = [np.kron(generator.random((96 // k, 96 // k, 3)), np.ones((k, k, 1))) for k in (1, 2, 4, 8, 16)]
    texture = np.mean(blocks, axis=0)
    scenes = [np.full((96, 96, 3), value) for value in (0.0, 0.1, 1.0)]
    scenes += [np.stack([columns, rows, 1 - columns], axis=-1), texture, np.clip(3 * texture - 1, 0, 1)]
    scenes += [np.kron(generator.integers(0, 2, (8, 8, 3)), np.ones((12, 12, 1)))]
    shots = [Camera(iso=iso).shoot(scene.astype(np.float32), generator) for scene in scenes for iso in ISO]
    return [_tensor(shot if channels == 3 else shot.mean(-1, keepdims=True).repeat(channels, -1)) for shot in shots]


def _tensor(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]  # (1, C, H, W)
