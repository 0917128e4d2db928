"""Recipes: the shipped ones are what the papers say, and a mistake is answered with the field and what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unnoise import denoisers, recipes
from unnoise.errors import UsageError
from unnoise.recipes.old_fields import OLD_FIELDS


@pytest.mark.parametrize("name", recipes.names())
def test_shipped_recipes_are_sound(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.source
    assert recipes.source(name) == recipe.source
    assert recipes.validate(recipe.model_dump(mode="json"), name) == recipe  # as it stands in a model's header
    import torch

    with torch.device("meta"):
        network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
    network.initialize(recipe.training.initialization) if recipe.training.initialization == "default" else None


def test_ap_bsn_is_the_papers() -> None:
    recipe = recipes.load("ap-bsn")
    scheme: Any = recipe.scheme
    assert (recipe.denoiser.name, recipe.denoiser.sizes["features"], recipe.denoiser.sizes["modules"]) == ("dbsn", 128, 9)
    assert (scheme.train_stride, scheme.infer_stride, scheme.border) == (5, 2, 2)
    assert recipe.refinement is not None
    assert (recipe.refinement.draws, recipe.refinement.probability) == (8, 0.16)
    training = recipe.training
    assert (training.crop, training.batch, training.optimizer, training.learning_rate) == (120, 8, "adam", 1e-4)
    assert (training.schedule, training.step_at, training.step_factor) == ("step", [0.4, 0.8], 0.1)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("training.bach", 4, "has no field 'training.bach'; it has crop, batch"),
        ("colour", 4, "has no field 'colour'; it has name, source"),
        ("scheme.stride", 4, "has no field 'scheme.stride'; remove it"),
        ("training.batch", 0, "'training.batch' does not take 0: input should be greater than or equal to 1"),
        ("training.optimizer", "sgd", "'training.optimizer' does not take 'sgd': input should be 'adam' or 'adamw'"),
        ("scheme.train_stride", 9999, "'scheme.train_stride' does not take 9999: input should be less than or equal to 16"),
        ("scheme.train_stride", "many", "'scheme.train_stride' does not take 'many'"),
        ("scheme.name", "magic", "no scheme named 'magic'; choose one of pd-blind-spot"),
        ("denoiser.name", "magic", "no denoiser named 'magic'; choose one of dbsn"),
        ("denoiser.colour", 4, "'dbsn' has no size 'colour'; it takes channels, features"),
        ("refinement.draws", 0, r"refinement\.draws"),
        ("training.crop.side", 3, "cannot be set"),
    ],
)
def test_mistakes_are_named(field: str, value: object, match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        recipes.load("ap-bsn", {field: value})
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_overrides_reach_every_level() -> None:
    recipe = recipes.load(
        "ap-bsn", {"denoiser.features": 32, "scheme.infer_stride": 1, "training.batch": 2, "refinement": "none"}
    )
    assert recipe.denoiser.sizes["features"] == 32
    assert recipe.scheme.infer_stride == 1  # type: ignore[attr-defined]
    assert recipe.training.batch == 2
    assert recipe.refinement is None
    again = recipes.load(recipe, {"denoiser.features": 16})
    assert again.denoiser.sizes == recipe.denoiser.sizes | {"features": 16}
    other = recipes.load("ap-bsn", {"denoiser": {"name": "dbsn-dense"}, "denoiser.features": 8})
    assert (other.denoiser.name, other.denoiser.sizes) == ("dbsn-dense", {"features": 8})


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "name: x"])
def test_files_that_hold_no_recipe(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        recipes.load(path)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndenoiser: {name: dbsn, features: 8}\nscheme: {name: pd-blind-spot, train_stride: 3}\n")
    assert recipes.load(path).scheme.train_stride == 3  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"There is no recipe 'nothing'; choose one of .*ap-bsn"):
        recipes.load("nothing")


def test_old_names_of_fields_are_read_silently(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "old.yaml"
    head = "name: old\ndenoiser: dncnn\nscheme: pd-blind-spot\n"
    path.write_text(head + "light: linear\nlevels: picture\n")
    recipe = recipes.load(path)
    assert recipe.bias_correction
    assert recipe.bias_correction.curve == "linear"
    assert recipe.normalization
    assert recipe.normalization.of == "picture"
    again = recipes.load(path, {"light.bound": 1.5, "levels": "full"})
    assert again.bias_correction
    assert (again.bias_correction.curve, again.bias_correction.bound, again.normalization) == ("linear", 1.5, None)
    assert recipes.load(recipe, {"light": "none"}).bias_correction is None
    path.write_text(head + "bias_correction: linear\nnormalization: picture\n")
    assert recipes.load(path) == recipe
    assert not recwarn.list
    path.write_text(head + "light: linear\nbias_correction: srgb\n")
    with pytest.raises(UsageError, match="'bias_correction' stands there twice"):
        recipes.load(path)
    with pytest.raises(UsageError, match="'normalization' stands there twice"):
        recipes.validate(recipe.model_dump() | {"levels": "full"}, "mine")


def test_shipped_recipes_use_the_names_of_today() -> None:
    for name in recipes.names():
        fields = recipes._parse(recipes._find(name))
        assert not set(fields) & set(OLD_FIELDS), name


def test_old_attributes_of_a_recipe_warn() -> None:
    recipe = recipes.load("tm-bsn-d-quick")
    with pytest.warns(DeprecationWarning, match=r"Recipe\.light is now called bias_correction"):
        assert recipe.light is recipe.bias_correction
    with pytest.warns(DeprecationWarning, match=r"Recipe\.levels is now called normalization"):
        assert recipe.levels is recipe.normalization
