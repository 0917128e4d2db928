"""Preparing a student of TM-BSN for int8: choosing the quantization steps of its hidden maps, and measuring what int8
changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.denoisers.quantized_student import QuantizedStudent
from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError
from unnoise.images.pixels import to_unit_float
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.models.model import Model
from unnoise.noise import Camera
from unnoise.training.image_pool import ImagePool

ISO = (100, 1600, 12_800, 51_200)
CROP_PIXELS, CROP_COUNT = 128, 96
"""Side and number of the crops of the given pictures that are used."""


class QuantizationChange(NamedTuple):
    """Mean squares over pictures in 0..1.

    >>> QuantizationChange(changed=1e-6, removed=1e-3).removed
    0.001
    """

    changed: float
    """Difference between the restorations in int8 and in float32."""
    removed: float
    """Difference between the noisy pictures and their restorations in float32."""


def quantize_model(model: Model, pool: ImagePool | None = None) -> Model:
    """The same model with the same weights, and with quantization steps for int8.

    The steps are chosen on simulated photographs and on crops of a pool.

    Raises:
        UsageError: the model's network has no int8 form with byte maps.

    >>> from unnoise.models.shipped import load
    >>> quantize_model(load("ap-bsn"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    student = model.network
    if student.quantized_form is None:
        raise UsageError(
            f"A {type(student).__name__} has no form whose maps are bytes; run it as it is with --precision int8, "
            "or train a student of TM-BSN, as by the recipe tm-bsn-d-quick."
        )
    network = cast(QuantizedStudent, denoisers.create(student.quantized_form, **student.sizes))
    network.load_state_dict(student.state_dict())
    network.calibrate([*simulate_photographs(student.sizes["channels"]), *(sample_crops(pool) if pool else ())])
    fields = model.recipe.model_dump(mode="json") | {"denoiser": {"name": denoisers.name_of(network), "sizes": network.sizes}}
    return Model(network.eval(), recipes.validate(fields, model.recipe.name), model.card)


def measure_change(model: Model, pool: ImagePool | None = None) -> QuantizationChange:
    """What int8 changes in simulated photographs, or in crops of a pool. Raises `UsageError` if this machine has no
    int8."""
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
    """Random crops of a pool, always the same ones, (1, C, CROP_PIXELS, CROP_PIXELS) each."""
    draw = np.random.default_rng(0)
    for _ in range(CROP_COUNT):
        yield _tensor(to_unit_float(pool.crop(draw, CROP_PIXELS)))


def simulate_photographs(channels: int = 3) -> list[Tensor]:
    """Simulated photographs with black, white, edges, colors and texture, and with weak and strong noise.

    Returns:
        28 tensors (1, channels, 96, 96) in 0..1.

    >>> pictures = simulate_photographs()
    >>> len(pictures), pictures[0].shape
    (28, torch.Size([1, 3, 96, 96]))
    """
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


__getattr__ = renamed(__name__, {"quantized": "quantize_model", "difference": "measure_change"})
