"""What noise means for strides and holes, and which recipe and which shipped model it calls for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unnoise
from unnoise import images, recipes
from unnoise.errors import UsageError
from unnoise.models import shipped
from unnoise.models.model import fresh
from unnoise.models.select import nearest
from unnoise.noise.advice import MAX_STRIDE, advise, leakage, training_distances
from unnoise.recipes import auto

Array = np.ndarray[Any, Any]


def boxes(width: int) -> Array:
    """The correlation (9, 9) of white noise averaged over width×width pixels: none from `width` pixels on."""
    along = np.maximum(0, 1 - np.arange(9) / width)
    return np.outer(along, along)


@given(st.integers(1, MAX_STRIDE))
def test_the_smallest_distance_that_decorrelates(width: int) -> None:
    stride, square, diamond = training_distances(boxes(width))
    assert stride == square == width
    assert diamond >= width


def test_no_distance_is_wider_than_the_widest() -> None:
    assert training_distances(np.ones((9, 9))) == (MAX_STRIDE,) * 3


@given(st.floats(-0.6, 0.6))
def test_leak_is_what_a_linear_prediction_explains(rho: float) -> None:
    """One neighbour with correlation ρ explains ρ², less what the safeguard of 0.1 takes."""
    table = np.zeros((9, 9))
    table[0, 0], table[0, 1] = 1, rho
    assert leakage(table, [(0, 1)]) == pytest.approx(rho**2 / 1.1)
    assert leakage(table, [(0, -1)]) == pytest.approx(rho**2 / 1.1)
    assert leakage(table, [(1, 1), (0, 20)]) == 0


def test_white_noise_needs_no_stride_and_detail_takes_the_widest_away() -> None:
    white = advise(boxes(1), 0.0)
    assert (white.train_stride, white.infer_stride, white.train_hole, white.train_diamond) == (1, 1, 1, 1)
    strides = [advise(boxes(3), detail).infer_stride for detail in (0.0, 1.0, 4.0)]
    assert strides == [3, 2, 1]
    plain, fine = advise(boxes(3), 0.0), advise(boxes(3), 4.0)
    assert (plain.recipe, plain.settings) == ("ap-bsn", {"scheme.train_stride": 3, "scheme.infer_stride": 3})
    assert (fine.recipe, fine.settings) == ("at-bsn", {"scheme.train_hole": 5, "scheme.infer_hole": 1})
    for one in (white, plain, fine):
        recipes.load(one.recipe, one.settings)


def make_shipped(folder: Path, name: str, denoiser: dict[str, Any], scheme: dict[str, Any]) -> None:
    fresh(recipes.validate({"name": name, "denoiser": denoiser, "scheme": scheme}, name)).save(folder / f"{name}.safetensors")


def test_the_nearest_model_that_looks_no_further(tmp_path: Path) -> None:
    tiny = {"name": "dbsn", "features": 2, "modules": 1}
    near, far = advise(boxes(3), 1.0), advise(boxes(3), 0.0)
    finest = advise(boxes(3), 4.0)
    assert nearest(near, tmp_path).name is None
    make_shipped(tmp_path, "default", tiny, {"name": "pd-blind-spot", "infer_stride": 2})
    assert nearest(near, tmp_path).fits
    assert not nearest(finest, tmp_path).fits
    assert nearest(finest, tmp_path).name == "default"
    make_shipped(tmp_path, "broad", {"name": "atbsn", "width": 4}, {"name": "tunable-blind-spot", "infer_hole": 5})
    make_shipped(
        tmp_path,
        "close",
        {"name": "tmbsn", "features": 4, "groups": 1, "blocks": 1},
        {"name": "tunable-blind-spot", "infer_hole": 1},
    )
    make_shipped(tmp_path, "another", tiny, {"name": "pd-blind-spot", "infer_stride": 2})
    assert nearest(far, tmp_path).name == "broad"  # hole 5: three pixels away
    assert nearest(near, tmp_path).name == "default"
    assert nearest(finest, tmp_path).name == "close"
    assert nearest(finest, tmp_path).fits


def noisy(seed: int, side: int = 96) -> Array:
    white = np.random.default_rng(seed).normal(size=(side + 1, side + 1, 3))
    smooth = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    return np.clip(128 + 12 * smooth, 0, 255).astype(np.uint8)


def test_choose_names_a_shipped_model() -> None:
    assert shipped.choose(noisy(0)) in shipped.names()
    assert shipped.choose(np.zeros((4, 4), np.uint8)) == "default"


def test_most_of_the_pictures_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"{level}_{number}.png" for number, level in enumerate((10, 200, 200))]
    for file in files:
        images.write(file, images.Picture(np.full((20, 20), int(file.name.partition("_")[0]), np.uint8)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr("unnoise.models.select.choose", lambda pixels: "dark" if pixels.mean() < 100 else "bright")
    assert shipped.choose_for([*files, tmp_path / "broken.png"]) == "bright"
    assert shipped.choose_for([tmp_path / "broken.png"]) == "default"


def test_auto_chooses_a_recipe_from_files_and_arrays(tmp_path: Path) -> None:
    for seed in range(3):
        images.write(tmp_path / f"{seed}.png", images.Picture(noisy(seed)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = auto.choose(tmp_path)
    assert found.recipe == "ap-bsn"
    assert set(found.overrides) == {"scheme.train_stride", "scheme.infer_stride"}
    assert found.overrides["scheme.train_stride"] >= 2
    assert auto.choose([noisy(seed) for seed in range(3)]) == auto.choose([tmp_path / f"{seed}.png" for seed in range(3)])
    quick = auto.choose(tmp_path, quick=True)
    assert quick.recipe == "tm-bsn-quick"
    assert recipes.load(quick.recipe, quick.overrides).scheme.train_hole == unnoise.inspect(noisy(0)).advice.train_diamond
    with pytest.raises(UsageError, match="noise"):
        auto.choose([np.zeros((32, 32, 3), np.uint8)])


def test_training_takes_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tmp_path / "tiny.yaml"
    tiny.write_text(
        "{name: tiny, denoiser: {name: dbsn, features: 2, modules: 1}, scheme: pd-blind-spot, training: {crop: 24}}"
    )

    def choose(pictures: list[Array], *, quick: bool, shipped: bool, axes: str | None) -> auto.ChosenRecipe:
        assert quick
        assert shipped
        assert axes is None
        assert len(pictures) == 1
        return auto.ChosenRecipe(str(tiny), {"scheme.train_stride": 3}, "")

    monkeypatch.setattr(auto, "choose", choose)
    model = unnoise.train([noisy(0)], "auto", output=tmp_path / "run", steps=1, device="cpu", compare=False)
    assert (model.recipe.name, model.recipe.scheme.train_stride) == ("tiny", 3)  # type: ignore[attr-defined]
