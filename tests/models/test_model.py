"""A model returns the kind of image that it got."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.models.model import Model, fresh
from unnoise.photometry.bias_correction import BiasCorrection

RECIPE = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": "pd-blind-spot",
    "refinement": "r3",
}


def _model(channels: int = 3) -> Model:
    torch.manual_seed(0)
    return fresh(recipes.load(recipes.validate(RECIPE, "tiny"), {"denoiser.channels": channels}))


MODELS = {1: _model(1), 3: _model(3)}
KINDS = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}


@settings(max_examples=40)
@given(
    channels=st.sampled_from([1, 3]),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    layers=st.sampled_from([None, 1, 2, 3, 4]),
    kind=st.sampled_from(list(KINDS)),
    refine=st.booleans(),
)
def test_what_goes_in_comes_out(channels: int, shape: tuple[int, int], layers: int | None, kind: str, refine: bool) -> None:
    draw = np.random.default_rng(0)
    image = (draw.random(shape if layers is None else (*shape, layers)) * KINDS[kind]).astype(kind)
    result = MODELS[channels].denoise(image, refine=refine)
    assert type(result) is type(image)
    assert result.shape == image.shape
    assert result.dtype == image.dtype
    assert result.min() >= 0
    assert result.max() <= KINDS[kind]
    if layers in (2, 4):
        assert np.array_equal(result[..., -1], image[..., -1])  # alpha
    if layers in (None, 1):
        assert not np.array_equal(result, image) or image.max() == 0


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_tensors(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    image = (torch.rand(shape) * 255).to(dtype) if dtype == torch.uint8 else torch.rand(shape)
    result = MODELS[3].denoise(image)
    assert (result.shape, result.dtype) == (image.shape, image.dtype)


def test_a_batch_is_its_pictures_one_by_one() -> None:
    batch = torch.rand(3, 3, 9, 8)
    together = MODELS[3].denoise(batch, refine=True)
    for one, result in zip(batch, together, strict=True):
        assert torch.allclose(MODELS[3].denoise(one, refine=True), result, atol=1e-6)


def test_options_change_the_picture() -> None:
    image = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    results = [
        MODELS[3].denoise(image, refine=False, precision="float32"),
        MODELS[3].denoise(image, refine=True, precision="float32"),
        MODELS[3].denoise(image, refine=False, ensemble=True, precision="float32"),
        MODELS[3].denoise(image, refine=False, precision="bfloat16"),
    ]
    for number, one in enumerate(results):
        for other in results[:number]:
            assert not np.array_equal(one, other)
    assert np.array_equal(
        MODELS[3].denoise(image), MODELS[3].denoise(image, refine=True)
    )  # the recipe's choice, and repeatable


def test_the_recipe_can_ask_for_the_ensemble() -> None:
    image = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    model = Model(MODELS[3].network, recipes.load(MODELS[3].recipe, {"ensemble": True}))
    assert np.array_equal(model.denoise(image), MODELS[3].denoise(image, ensemble=True))
    assert np.array_equal(model.denoise(image, ensemble=False), MODELS[3].denoise(image))


def test_a_model_can_be_applied_otherwise() -> None:
    noisy = np.random.default_rng(0).random((12, 10, 3), np.float32)
    fields = {"name": "b", "denoiser": {"name": "dncnn", "features": 4, "layers": 2}, "scheme": "asymmetric-mask"}
    model = fresh(recipes.validate(fields, "b"))
    several = model.applied({"scheme.partitions": 3})
    assert several.network is model.network
    assert several.recipe.name == "b with scheme.partitions=3"
    expected = fresh(recipes.validate(fields | {"scheme": {"name": "asymmetric-mask", "partitions": 3}}, "b"))
    expected.network.load_state_dict(model.network.state_dict())
    assert np.array_equal(several.denoise(noisy), expected.denoise(noisy))
    assert not np.array_equal(several.denoise(noisy), model.denoise(noisy))
    assert model.applied({}) is model
    with pytest.raises(
        UsageError, match=r"another scheme, .*, normalization, detail, half_size or bounded, not another denoiser\.layers"
    ):
        model.applied({"denoiser.layers": 3})
    with pytest.raises(UsageError, match="partitions"):
        model.applied({"scheme.partitions": 0})


def test_light_is_kept_as_asked_or_as_the_recipe_says() -> None:
    noisy = np.random.default_rng(0).random((40, 50, 3), np.float32) ** 2
    plain = MODELS[3].applied({"refinement": "none"})
    kept = plain.denoise(noisy, bias_correction="srgb", precision="float32")
    assert not np.allclose(kept, plain.denoise(noisy), atol=1e-3)
    tensor = torch.from_numpy(noisy).movedim(-1, 0)[None]
    expected = BiasCorrection(curve="srgb")(tensor, plain(tensor)).clamp(0, 1)
    assert np.allclose(kept, expected[0].movedim(0, -1), atol=1e-5)
    lit = plain.applied({"bias_correction": "auto"})
    assert np.array_equal(lit.denoise(noisy, precision="float32"), kept)
    assert np.array_equal(lit.denoise(noisy, bias_correction="none"), plain.denoise(noisy))
    grey = noisy[..., 0]
    assert np.array_equal(lit.denoise(grey), plain.denoise(grey, bias_correction="linear"))
    with pytest.raises(UsageError, match="bias_correction"):
        plain.denoise(noisy, bias_correction="gamma")


def test_bad_images() -> None:
    bad: list[Any] = [np.zeros((2, 2), bool), np.zeros((0, 4, 3)), np.full((4, 4), np.nan), "text", np.zeros((2, 2, 2, 2, 2))]
    for image in bad:
        with pytest.raises(UsageError):
            MODELS[3].denoise(image)
    with pytest.raises(UsageError, match="no precision 'int3'"):
        MODELS[3].denoise(np.zeros((4, 4)), precision="int3")
    with pytest.raises(UsageError, match="at least 16"):
        MODELS[3].denoise(np.zeros((4, 4)), tile=2)
    with pytest.raises(UsageError, match="whole number of pixels"):
        MODELS[3].denoise(np.zeros((4, 4)), tile=32.5)  # type: ignore[arg-type]
