"""Options of denoising: checked once, old names read, and counted in fingerprints as by the first version."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from handmade import Affine, model_of
from unnoise import recipes
from unnoise.batch.manifest import fingerprint
from unnoise.errors import UsageError
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.models.model import fresh
from unnoise.schemes.r3 import R3


def test_bad_values_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"strength must lie between 0 and 1, got 1\.5"):
        DenoiseOptions(strength=1.5)
    with pytest.raises(UsageError, match="detail must lie between 0 and 1, got -1"):
        DenoiseOptions(detail=-1)
    with pytest.raises(UsageError, match="at least 16"):
        DenoiseOptions(tile=8)
    with pytest.raises(TypeError, match="no option 'lightness'"):
        DenoiseOptions.of({"lightness": "srgb"})


def test_keyword_arguments_are_the_fields_and_their_old_names() -> None:
    fields = {field.name for field in dataclasses.fields(DenoiseOptions)}
    assert set(OptionFields.__annotations__) == fields | {"light", "levels"}


def test_old_names_warn_and_do_the_same() -> None:
    noisy = np.random.default_rng(0).random((40, 50, 3), np.float32) ** 2
    model = model_of(Affine(factor=0.5))
    for old, new, value in (("light", "bias_correction", "srgb"), ("levels", "normalization", "picture")):
        with pytest.warns(DeprecationWarning, match=f"'{old}' is now called '{new}'"):
            before = model.denoise(noisy, **{old: value})
        assert np.array_equal(before, model.denoise(noisy, **{new: value}))
        assert not np.array_equal(before, model.denoise(noisy))
    with pytest.warns(DeprecationWarning, match="now called"), pytest.raises(UsageError, match="given twice"):
        model.denoise(noisy, light="srgb", bias_correction="srgb")


def test_fields_replace_those_of_given_options() -> None:
    assert DenoiseOptions.of({"tile": 32}, DenoiseOptions(tile=64, refine=True)) == DenoiseOptions(tile=32, refine=True)


def test_what_is_left_out_is_as_the_recipe_says() -> None:
    recipe = model_of(Affine(), refinement={"name": "r3", "draws": 3}, ensemble=True, detail=0.25).recipe
    plain = DenoiseOptions().settings(recipe)
    assert (plain.refinement, plain.ensemble, plain.detail, plain.strength) == (R3(draws=3), True, 0.25, 1.0)
    asked = DenoiseOptions(refine=False, ensemble=False, detail=0.5, strength=0.1, bias_correction="linear").settings(recipe)
    assert (asked.refinement, asked.ensemble, asked.detail, asked.strength) == (None, False, 0.5, 0.1)
    assert asked.bias_correction
    assert asked.bias_correction.curve == "linear"
    with pytest.raises(UsageError, match="gamma"):
        DenoiseOptions(bias_correction="gamma").settings(recipe)


def test_manifests_of_version_0_1_stay_valid() -> None:
    """The digits are those that version 0.1 wrote for this model."""
    model = fresh(recipes.load("tm-bsn-d-quick", {"denoiser.width": 8, "bounded": False}))
    for weights in model.network.parameters():
        torch.nn.init.constant_(weights, 0.25)
    assert fingerprint(model, DenoiseOptions()) == "beb98e313c59f3b9564737da96571461"
    options = DenoiseOptions(
        ensemble=True, bias_correction="none", normalization="picture", detail=0.5, strength=0.75, tile=64, axes="ZYX"
    )
    assert fingerprint(model, options, report=True, adapt="3m") == "a0dee482893a8d4e6457f0029b41eddb"
