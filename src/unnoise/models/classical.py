"""Classical denoisers as models: they have a recipe and a card, and no weights."""

from __future__ import annotations

from unnoise import denoisers
from unnoise.models.card import Card
from unnoise.models.model import Model, fresh
from unnoise.photometry.normalization import Normalization
from unnoise.recipes.schema import DenoiserChoice, Recipe
from unnoise.schemes.measured_noise import MeasuredNoise


def model(name: str) -> Model:
    """A classical denoiser, which measures the noise of each picture.

    Args:
        name: one of `unnoise.denoisers.classical_names()`.

    Raises:
        UsageError: an unknown name.

    >>> model("bm3d")
    Model(bm3d: bm3d, 0 parameters)
    """
    description = (denoisers.lookup(name).__doc__ or "").partition("\n\n")[0]
    recipe = Recipe(
        name=name,
        source=" ".join(description.split()),
        denoiser=DenoiserChoice(name=name),
        scheme=MeasuredNoise(),
        bias_correction=None,
        normalization=Normalization(of="auto"),
    )
    made = fresh(recipe)
    made.card = Card(description=f"Has no weights and learned nothing. {recipe.source}", licence="Apache-2.0 (the code)")
    made.network.eval()
    return made
