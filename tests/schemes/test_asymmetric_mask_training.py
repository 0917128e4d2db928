"""AMSNet's schemes through the training loop: on noisy pictures alone the error against the truth falls, and P is smoother than B."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unnoise import recipes
from unnoise.models.model import Model
from unnoise.recipes.schema import Recipe
from unnoise.schemes.asymmetric_mask_tv import total_variation
from unnoise.training.train import train

Pixels = NDArray[np.float32]


def _scene(seed: int, side: int = 96) -> tuple[Pixels, Pixels]:
    """A clean picture of smooth shapes, and the same with noise that is correlated over two pixels."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(2 * np.pi * (draw.uniform(-2, 2) * rows + draw.uniform(-2, 2) * columns + draw.random())) for _ in range(3)]
    clean = (0.5 + 0.3 * np.stack(waves, axis=-1)).astype(np.float32)
    white = draw.normal(0, 0.16, (side + 1, side + 1, 3))
    correlated = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    return clean, np.clip(clean + correlated, 0, 1).astype(np.float32)


def _recipe(name: str, **scheme: object) -> Recipe:
    """A shipped recipe, with a small DnCNN and a pace for seconds."""
    fields = recipes.load(name).model_dump(mode="json")
    fields["denoiser"] = {"name": "dncnn", "features": 12, "layers": 5}
    fields["scheme"] |= {"train_stride": 4} | scheme
    fields["training"] |= {"crop": 64, "batch": 4, "learning_rate": 4e-3, "ema": 0.9}
    return recipes.validate(fields, name)


def _error(model: Model, refine: bool = False) -> tuple[float, float]:
    """Mean squared error of the noisy and of the restored picture, of a scene that was not trained on."""
    clean, noisy = _scene(99)
    return float(((noisy - clean) ** 2).mean()), float(((model.denoise(noisy, refine=refine) - clean) ** 2).mean())


def _total_variation(model: Model) -> float:
    _, noisy = _scene(99)
    return total_variation(torch.from_numpy(model.denoise(noisy)).permute(2, 0, 1)[None]).item()


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    return [_scene(seed)[1] for seed in range(6)]


@pytest.fixture(scope="module")
def base(pictures: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An AMSNet-B of a few seconds."""
    return train(pictures, _recipe("amsnet-b"), output=tmp_path_factory.mktemp("b"), steps=180, device="cpu")


def test_b_learns(base: Model, pictures: list[Pixels], tmp_path: Path) -> None:
    short = train(pictures, _recipe("amsnet-b"), output=tmp_path, steps=10, device="cpu")
    noisy, after_short = _error(short)
    _, after_long = _error(base)
    assert after_long < 0.4 * after_short
    assert after_long < 0.4 * noisy


def test_p_is_smoother_than_b_and_the_more_so_the_greater_its_weight(
    base: Model, pictures: list[Pixels], tmp_path: Path
) -> None:
    """Eq. 9's term itself falls; with as many further steps at weight zero it falls less, so it is not the steps that do it."""
    variation = {}
    for weight in (0.0, 0.1, 1.0):
        recipe = _recipe("amsnet-p", weight=weight)
        tuned = train(pictures, recipe, output=tmp_path / str(weight), steps=40, device="cpu", start=base)
        variation[weight] = _total_variation(tuned)
        if weight == 0.1:
            assert _error(tuned)[1] < 1.1 * _error(base)[1]
    assert variation[0.1] < 0.95 * _total_variation(base)
    assert variation[0.1] < 0.97 * variation[0.0]
    assert variation[1.0] < 0.8 * variation[0.1]


def test_refinement_goes_through_the_whole_chain(base: Model) -> None:
    """AMSNet-B-E: `denoise --refine`; the same at each call."""
    noisy = _scene(99)[1]
    refined = base.denoise(noisy, refine=True)
    assert np.array_equal(refined, base.denoise(noisy, refine=True))
    assert not np.allclose(refined, base.denoise(noisy), atol=1e-3)
    given, error = _error(base, refine=True)
    assert error < 0.5 * given
