"""`--recipe auto`: choose the recipe, and its strides or blind spots, from the noise of the training pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median_high, median_low, mode
from typing import TYPE_CHECKING, Any, NamedTuple

from unnoise.errors import UnnoiseError, UsageError
from unnoise.recipes import start as recipe_start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unnoise.images.frames import SinglePicture
    from unnoise.noise.advice import Advice

AUTO = "auto"
QUICK_RECIPE = "tm-bsn-quick"
"""What a CPU can train in an hour. It weighs its blind spots in each place by itself, so only the one for training must
be chosen."""
FINE_TUNE_RECIPE = "fine-tune"
"""For grey pictures and measurements. It goes on from a shipped model."""
SHIPPED_START = "tm-bsn"
"""The shipped model that `QUICK_RECIPE` goes on from, for color pictures."""
SAMPLE_SIZE = 12
"""Number of pictures that are inspected, spread evenly."""


class ChosenRecipe(NamedTuple):
    """A recipe's name, the changes to it, a sentence that says so, and the model to begin with.

    >>> ChosenRecipe("amsnet-quick", {"scheme.train_stride": 3}, "The noise is correlated.").recipe
    'amsnet-quick'
    """

    recipe: str
    overrides: dict[str, Any]
    sentence: str
    start: str = ""
    """Empty: begin with random weights."""


def choose(
    pictures: Sequence[str | Path | NDArray[Any]] | str | Path,
    *,
    quick: bool = False,
    shipped: bool = False,
    axes: str | None = None,
) -> ChosenRecipe:
    """Inspect a sample of the pictures, and choose a recipe for all.

    From random weights the recipe is the one that most of them need: full resolution (`at-bsn`) or strides (`ap-bsn`).
    Its settings are the medians of theirs: the upper median for training, the lower one for inference.

    Args:
        pictures: files and folders, or arrays, as `unnoise.train` takes them.
        quick: choose `QUICK_RECIPE`, for training without a GPU.
        shipped: go on from a shipped model, which takes minutes in place of hours: by `FINE_TUNE_RECIPE` where all
            pictures are grey, else by `QUICK_RECIPE`.
        axes: of arrays, `.npy` and Zarr files, as `unnoise.train` takes them.

    Raises:
        UsageError: there is no picture, or noise cannot be measured in any of them.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(128, 12, (96, 96)).clip(0, 255).astype(np.uint8)
    >>> choose([noise]).recipe
    'at-bsn'
    """
    sources: list[Any] = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    sample = list(_sample(sources, axes))
    advice = [one for one in map(_advice, sample) if one is not None]
    if not advice:
        raise UsageError(
            "Noise could not be measured in any of these pictures; name a recipe (see 'unnoise recipes') in place of auto."
        )
    start = ""
    is_grey = all(picture.pixels.ndim == 2 for picture in sample)
    if shipped and is_grey:
        name, start = FINE_TUNE_RECIPE, recipe_start(FINE_TUNE_RECIPE)
        sentence = f"These pictures are grey, so the recipe {name} goes on from the shipped model {start}."
        return ChosenRecipe(name, {"denoiser.channels": 1}, sentence, start)
    if quick or shipped:
        start = SHIPPED_START if shipped else ""
        name, overrides = QUICK_RECIPE, {"scheme.train_hole": median_high(one.train_diamond for one in advice)}
    else:
        name = mode(one.recipe for one in advice)
        alike = [one.settings for one in advice if one.recipe == name]
        overrides = {
            field: (median_low if ".infer_" in field else median_high)(settings[field] for settings in alike)
            for field in alike[0]
        }
    settings = ", ".join(f"{field} = {value}" for field, value in overrides.items())
    begin = f", and goes on from the shipped model {start}" if start else ""
    return ChosenRecipe(
        name, overrides, f"The noise of {len(advice)} pictures calls for the recipe {name} with {settings}{begin}.", start
    )


def _sample(sources: list[Any], axes: str | None) -> Iterator[SinglePicture]:
    from unnoise import images
    from unnoise.images.frames import sample_pictures

    if sources and isinstance(sources[0], str | Path):
        sources = list(images.find_pictures([Path(source) for source in sources], recursive=True))
    return sample_pictures(sources, SAMPLE_SIZE, axes=axes)


def _advice(picture: SinglePicture) -> Advice | None:
    from unnoise.noise.inspection import measure

    try:
        return measure(picture.pixels).advice
    except UnnoiseError:  # training skips such a picture and says so
        return None
