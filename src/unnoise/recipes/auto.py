"""`--recipe auto`: the recipe and its strides or holes, by the noise of the pictures that are to be trained on."""

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
"""What a CPU can train in an hour. It weighs its blind spots in each place by itself, so that only training's has to be told."""
SAMPLE_SIZE = 12
"""So many pictures are inspected, evenly spread."""


class ChosenRecipe(NamedTuple):
    """A recipe by name, what to change in it, and a sentence that says so."""

    recipe: str
    overrides: dict[str, Any]
    sentence: str


def choose(pictures: Sequence[str | Path | NDArray[Any]] | str | Path, *, quick: bool = False) -> ChosenRecipe:
    """Inspect a sample of the pictures and choose for them all.

    What most of them call for decides between full resolution (`at-bsn`) and strides (`ap-bsn`); the settings are the medians
    of theirs, in training the upper, at inference the lower.

    Args:
        pictures: files and folders, or arrays, as `unnoise.train` takes them.
        quick: without a GPU, where `QUICK_RECIPE` is what can be trained.

    Raises:
        UsageError: there is no picture, or none with noise that can be told.
    """
    sources = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    advice = [one for one in map(_advice, _sample(sources)) if one is not None]
    if not advice:
        raise UsageError(
            "In none of these pictures noise could be told; name a recipe (see 'unnoise recipes') in place of auto."
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
    except UnnoiseError:  # training skips such a picture, and says so
        return None
