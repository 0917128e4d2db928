"""`--recipe auto`: choose the recipe, and its strides or blind spots, from the noise of the training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median_high, median_low, mode
from typing import TYPE_CHECKING, Any, NamedTuple

from unnoise.errors import UnnoiseError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unnoise.noise.advice import Advice

AUTO = "auto"
QUICK_RECIPE = "tm-bsn-quick"
"""What a CPU can train in an hour. It weighs its blind spots in each place by itself, so only the one for training must
be chosen."""
SAMPLE_SIZE = 12
"""Number of pictures that are inspected, spread evenly."""


class ChosenRecipe(NamedTuple):
    """A recipe's name, the changes to it, and a sentence that says so.

    >>> ChosenRecipe("amsnet-quick", {"scheme.train_stride": 3}, "The noise is correlated.").recipe
    'amsnet-quick'
    """

    recipe: str
    overrides: dict[str, Any]
    sentence: str


def choose(pictures: Sequence[str | Path | NDArray[Any]] | str | Path, *, quick: bool = False) -> ChosenRecipe:
    """Inspect a sample of the pictures, and choose a recipe for all.

    The recipe is the one that most of them need: full resolution (`at-bsn`) or strides (`ap-bsn`). Its settings are the
    medians of theirs: the upper median for training, the lower one for inference.

    Args:
        pictures: files and folders, or arrays, as `unnoise.train` takes them.
        quick: choose `QUICK_RECIPE`, for training without a GPU.

    Raises:
        UsageError: there is no picture, or noise cannot be measured in any of them.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(128, 12, (96, 96)).clip(0, 255).astype(np.uint8)
    >>> choose([noise]).recipe
    'at-bsn'
    """
    sources = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    advice = [one for one in map(_advice, _sample(sources)) if one is not None]
    if not advice:
        raise UsageError(
            "Noise could not be measured in any of these pictures; name a recipe (see 'unnoise recipes') in place of auto."
        )
    if quick:
        name, overrides = QUICK_RECIPE, {"scheme.train_hole": median_high(one.train_diamond for one in advice)}
    else:
        name = mode(one.recipe for one in advice)
        alike = [one.settings for one in advice if one.recipe == name]
        overrides = {
            field: (median_low if ".infer_" in field else median_high)(settings[field] for settings in alike)
            for field in alike[0]
        }
    settings = ", ".join(f"{field} = {value}" for field, value in overrides.items())
    return ChosenRecipe(name, overrides, f"The noise of {len(advice)} pictures calls for the recipe {name} with {settings}.")


def _sample(sources: list[Any]) -> list[Any]:
    if sources and isinstance(sources[0], str | Path):
        from unnoise import images

        sources = images.find_pictures([Path(source) for source in sources], recursive=True)
    count = min(SAMPLE_SIZE, len(sources))
    return [sources[place * len(sources) // count] for place in range(count)]


def _advice(picture: Any) -> Advice | None:
    from unnoise import images
    from unnoise.noise.inspection import measure

    try:
        pixels = images.read(picture).pixels if isinstance(picture, Path) else picture
        return measure(pixels if pixels.ndim < 4 else pixels[0]).advice
    except UnnoiseError:  # training skips such a picture and says so
        return None
