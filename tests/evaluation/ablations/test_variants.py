"""Each ablation's variants: what they have in common, in what they differ, and that full size means the recipes' own."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.evaluation import ablations
from unnoise.evaluation.ablations import small_networks as small
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.asymmetric_mask_tv import AsymmetricMaskTV


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ablations.names())
def test_variants_are_in_order(name: str, full: bool) -> None:
    variants = ablations.lookup(name).variants(full)
    seen: dict[str, object] = {}
    for variant in variants:
        assert variant.name not in seen
        assert PurePath(variant.name).name == variant.name != ".."
        assert (variant.start is None) or variant.start in seen
        assert variant.further == 0 or variant.start
        if variant.start:  # the same network, or its weights would not fit
            assert variant.recipe.denoiser == seen[variant.start]
        seen[variant.name] = variant.recipe.denoiser


@pytest.mark.parametrize("name", ablations.names())
def test_small_variants_are_trained_alike(name: str) -> None:
    """On the same crops, at the same pace, but for what a network's own start or its batch normalisation asks for."""
    for variant in ablations.lookup(name).variants(False):
        own = small.NETWORK_TRAINING.get(variant.recipe.denoiser.name, {})
        given = variant.recipe.training.model_dump()
        assert {field: given[field] for field in small.SMALL_TRAINING | own} == small.SMALL_TRAINING | own


def test_batch_normalisation_sees_several_pictures_of_about_as_many_pixels() -> None:
    """DnCNN takes the mean out of its batch: of one picture, that is its light."""
    (training,) = (v.recipe.training for v in ablations.lookup("denoiser").variants(False) if v.name == "dncnn")
    assert training.batch >= 8
    assert 1 <= training.batch * training.crop**2 / small.SMALL_TRAINING["crop"] ** 2 <= 2


@pytest.mark.parametrize("name", ["loss", "lambda", "mask-ratio", "partitions"])
def test_full_variants_are_the_recipes(name: str) -> None:
    for variant in ablations.lookup(name).variants(True):
        recipe = recipes.load(variant.recipe.name)
        assert variant.recipe.denoiser == recipe.denoiser
        assert variant.recipe.training == recipe.training


def test_identity_crosses_two_schemes_with_two_networks() -> None:
    for full in (False, True):
        variants = ablations.lookup("identity").variants(full)
        assert {(v.recipe.scheme.name, v.recipe.denoiser.name) for v in variants} == {  # type: ignore[attr-defined]
            (scheme, denoiser) for scheme in ("asymmetric-mask", "pd-blind-spot") for denoiser in ("dbsn", "dbsn-dense")
        }


def test_mask_ratios_are_those_of_training_and_inference() -> None:
    for variant in ablations.lookup("mask-ratio").variants(False):
        scheme = variant.recipe.scheme
        assert isinstance(scheme, AsymmetricMask)
        assert 100 * (1 - scheme.keep) == 100 * scheme.overlap / scheme.masks == float(variant.name)


def test_lambda_is_the_weight_in_fine_tuning_one_start() -> None:
    first, *tuned = ablations.lookup("lambda").variants(False)
    assert isinstance(first.recipe.scheme, AsymmetricMask)
    for variant in tuned:
        assert isinstance(variant.recipe.scheme, AsymmetricMaskTV)
        assert variant.recipe.scheme.weight == float(variant.name)
        assert variant.start == first.name
    assert [float(variant.name) for variant in tuned] == [1, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0.0001]


def test_an_unknown_ablation_is_refused() -> None:
    with pytest.raises(UsageError, match="no ablation named 'colour'; choose one of identity, denoiser, loss"):
        ablations.lookup("colour")
