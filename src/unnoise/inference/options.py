"""How a picture is to be denoised: one set of options for Python, the command line, the page and the manifest."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.inference.blending import check
from unnoise.inference.settings import InferenceSettings, check_tile
from unnoise.recipes.schema import Recipe
from unnoise.schemes.r3 import R3

OLD_NAMES = {"light": "bias_correction", "levels": "normalization"}
"""Keyword arguments of former versions, and what they are called now."""

LATER = {"bounded", "force"}
"""Options that the first manifests did not know; they count once they are given."""


class OptionFields(TypedDict, total=False):
    """The fields of `DenoiseOptions` as keyword arguments, and their old names."""

    refine: bool | None
    ensemble: bool | None
    tile: int | None
    precision: str | None
    bias_correction: str | None
    normalization: str | None
    strength: float
    detail: float | None
    bounded: bool | None
    force: bool
    axes: str | None
    group: int
    light: str | None
    levels: str | None


@dataclass(frozen=True)
class DenoiseOptions:
    """What a caller may ask for. None leaves a choice to the model's recipe, or to the picture and the hardware.

    Raises:
        UsageError: for a value that an option cannot have.

    >>> DenoiseOptions(strength=0.5).strength
    0.5
    >>> DenoiseOptions(strength=2)
    Traceback (most recent call last):
    unnoise.errors.UsageError: The strength must lie between 0 and 1, got 2.
    """

    refine: bool | None = None
    """Whether R³ (random replacing refinement) follows the first estimate; None: as the recipe says."""
    ensemble: bool | None = None
    """Whether results for the eight flips and quarter turns are averaged; takes eight times as long."""
    tile: int | None = None
    """Side of the tiles in pixels, at least 16; None: chosen by the memory that is free."""
    precision: str | None = None
    """'float32', 'bfloat16', 'float16', 'int8' or 'auto'; None: 'auto'."""
    bias_correction: str | None = None
    """Which mean brightness the result gets: that of the noisy picture coded for display ('srgb'), or in proportion to light ('linear').
    'auto' decides by the picture; 'none' leaves the network's. See `unnoise.photometry.bias_correction`."""
    normalization: str | None = None
    """Which range of values the network sees: the picture's own ('picture'), that of its type ('full'), or the first for measurements
    only ('auto'). See `unnoise.photometry.normalization`."""
    strength: float = 1.0
    """0 gives back the input, 1 the restoration; values between mix the two."""
    detail: float | None = None
    """0 to 1: the share that is put back of what was removed where it is more than noise."""
    bounded: bool | None = None
    """Whether no more is removed than the noise that was measured in the picture; see `inference.do_no_harm`. None: as the recipe
    says."""
    force: bool = False
    """Whether masks, palettes and other pictures without noise are restored too. Else they stay as they are, with a warning."""
    axes: str | None = None
    """What each axis of an array is: Y rows, X columns, C channels that are no colours, S samples of a colour; other letters count
    pictures. 'ZYX' is a stack."""
    group: int = 1
    """How many channels that are no colours are restored together."""

    def __post_init__(self) -> None:
        check(strength=self.strength, detail=self.detail)
        check_tile(self.tile)

    @classmethod
    def of(cls, given: Mapping[str, Any], base: DenoiseOptions | None = None) -> DenoiseOptions:
        """`base`, or the defaults, with the keyword arguments that a caller gave; old names are read too.

        Raises:
            TypeError: for a name that is no option.
            UsageError: for a value that an option cannot have.
        """
        named: dict[str, Any] = {}
        for name, value in given.items():
            new = OLD_NAMES.get(name, name)
            if new != name:
                warnings.warn(f"The option '{name}' is now called '{new}'.", DeprecationWarning, stacklevel=3)
            if new in named:
                raise UsageError(f"The option '{new}' was given twice, once as '{name}'; give it once.")
            named[new] = value
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [name for name in named if name not in known]
        if unknown:
            raise TypeError(f"There is no option '{unknown[0]}'; denoise takes {', '.join(known)}.")
        return dataclasses.replace(base or cls(), **named)

    def settings(self, recipe: Recipe) -> InferenceSettings:
        """How a network with this recipe is applied.

        Raises:
            UsageError: for a value that the recipe's field cannot have.
        """
        changes = {"light": self.bias_correction, "levels": self.normalization}
        asked = {name: value for name, value in changes.items() if value is not None}
        applied = recipes.load(recipe, asked) if asked else recipe
        refine = recipe.refinement is not None if self.refine is None else self.refine
        return InferenceSettings(
            refinement=(recipe.refinement or R3()) if refine else None,
            ensemble=recipe.ensemble if self.ensemble is None else self.ensemble,
            tile=self.tile,
            precision=self.precision,
            bias_correction=applied.light,
            normalization=applied.levels,
            strength=self.strength,
            detail=recipe.detail if self.detail is None else self.detail,
            bounded=recipe.bounded if self.bounded is None else self.bounded,
            force=self.force,
        )

    def fingerprint_fields(self) -> dict[str, Any]:
        """The fields as a manifest's fingerprint counts them: under the names of the first version, so that its manifests stay valid."""
        old = {new: name for name, new in OLD_NAMES.items()}
        fields = {old.get(name, name): value for name, value in dataclasses.asdict(self).items()}
        return {name: value for name, value in fields.items() if name not in LATER or value not in (None, False)}
