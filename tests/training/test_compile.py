"""Compiled training: the same steps, and one sentence where it cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from unnoise import denoisers, recipes
from unnoise.errors import UnnoiseError
from unnoise.recipes.schema import Recipe
from unnoise.training.compile import compiler_errors
from unnoise.training.train import train

RECIPE = {
    "denoiser": {"name": "tmbsn", "features": 4, "groups": 1, "blocks": 1},
    "bias_correction": "none",
    "training.crop": 24,
    "training.batch": 1,
    "training.warmup_steps": 0,
}
PICTURES = [np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++ here")
def test_compiled_steps_are_the_same_steps(tmp_path: Path) -> None:
    """But for rounding, which Adam's first steps magnify: they go by the gradient's sign."""
    recipe = recipes.load("tm-bsn-quick", RECIPE)
    weights = []
    for compiled in (False, True):
        model = train(PICTURES, recipe, output=tmp_path / str(compiled), steps=3, precision="float32", compile=compiled)
        weights.append(torch.cat([value.flatten() for value in model.network.state_dict().values()]))
    fresh = torch.cat([value.flatten() for value in recipes_network(recipe).state_dict().values()])
    plain, compiled = weights
    assert (compiled - plain).norm() < 0.02 * (plain - fresh).norm()


def recipes_network(recipe: Recipe) -> torch.nn.Module:
    """The network as the run with seed 0 begins with it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
        network.initialize(recipe.training.initialization)
    return network


def test_what_cannot_be_compiled_is_said_in_a_sentence() -> None:
    from torch._inductor.exc import InvalidCxxCompiler

    with pytest.raises(UnnoiseError, match=r"torch\.compile failed .* without compiling") as raised, compiler_errors():
        raise InvalidCxxCompiler
    assert "\n" not in str(raised.value)
