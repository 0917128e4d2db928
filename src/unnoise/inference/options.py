"""The options of denoising: one set for Python, the command line, the page and the manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from unnoise import images, recipes
from unnoise.errors import UsageError
from unnoise.images.arrays_on_disk import check_axes
from unnoise.images.number_types import check_dtype
from unnoise.inference.blending import check
from unnoise.inference.channel_choice import check_channels
from unnoise.inference.frame_grid import check_neighbours
from unnoise.inference.hot_pixels import check_hot_pixels
from unnoise.inference.row_noise_removal import check_row_noise
from unnoise.inference.settings import InferenceSettings, check_tile
from unnoise.recipes.old_fields import OLD_FIELDS
from unnoise.schemes.r3 import R3

if TYPE_CHECKING:
    from unnoise.recipes.applied import AppliedRecipe
    from unnoise.recipes.schema import Recipe

ADDED_LATER = {
    "bounded",
    "force",
    "hot_pixels",
    "missing",
    "mask",
    "row_noise",
    "dtype",
    "channels",
    "dataset",
    "neighbours",
    "along",
}
"""Options that the first manifests did not have. They enter the fingerprint only if they are given."""


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
    hot_pixels: str | None
    missing: float | None
    mask: Any
    row_noise: str | None
    dtype: str | None
    channels: str | None
    axes: str | None
    dataset: str | None
    group: int
    neighbours: int
    along: str | None
    light: str | None
    levels: str | None


@dataclass(frozen=True)
class DenoiseOptions:
    """The choices of a caller. None leaves a choice to the model's recipe, to the picture or to the hardware.

    Raises:
        UsageError: an option cannot have its value.

    >>> DenoiseOptions(strength=0.5).strength
    0.5
    >>> DenoiseOptions(strength=2)
    Traceback (most recent call last):
    unnoise.errors.UsageError: The strength must lie between 0 and 1, got 2.
    """

    refine: bool | None = None
    """Whether R³ (random replacing refinement) follows the first estimate; None: as the recipe says."""
    ensemble: bool | None = None
    """Whether the results for the eight flips and quarter turns are averaged. Takes eight times as long; None: as the
    recipe says."""
    tile: int | None = None
    """Side of the tiles in pixels, at least 16; None: chosen by the free memory."""
    precision: str | None = None
    """'float32', 'bfloat16', 'float16', 'int8' or 'auto'; None: 'auto'."""
    bias_correction: str | None = None
    """The mean brightness that the result keeps: that of the values as stored ('srgb'), or of the light ('linear').
    'auto' decides by the picture; 'none' corrects nothing. See `unnoise.photometry.bias_correction`."""
    normalization: str | None = None
    """The range that is mapped to 0..1 for the network: that of the picture ('picture') or of its type ('full').
    'auto' uses the picture's for measurements only. See `unnoise.photometry.normalization`."""
    strength: float = 1.0
    """Weight of the restoration, 0..1. 0 returns the input, 1 the restoration; values between mix the two."""
    detail: float | None = None
    """0..1: the share of removed structure that is put back; None: as the recipe says. See
    `inference.blending.keep_detail`."""
    bounded: bool | None = None
    """Whether the removal is bounded by the noise measured in the picture; None: as the recipe says. See
    `inference.do_no_harm`."""
    force: bool = False
    """Whether masks, palettes and other pictures without noise are restored too. Else they are left unchanged, with a
    warning."""
    hot_pixels: str | None = None
    """What becomes of hot and dead pixels: 'keep' (as None), 'remove', or 'auto', which removes those of measurements.
    See `inference.hot_pixels`."""
    missing: float | None = None
    """A value that means that there is none, as stored: such pixels stay as they are. NaN and infinity always do."""
    mask: Any = field(default=None, compare=False)
    """An array (H, W), or a picture file: pixels where it is not 0 stay as they are, and no other pixel sees them."""
    row_noise: str | None = None
    """Whether row and column noise is removed before the network: 'remove', 'keep', or 'auto' for measurements alone.
    None: 'auto'. See `unnoise.noise.row_noise`."""
    dtype: str | None = None
    """The type of the result, such as 'float32', if it is to be finer than that of the picture; None: the same. See
    `unnoise.images.number_types`."""
    channels: str | None = None
    """Whether three channels are restored 'together', as colors, or each by itself ('separate'). None or 'auto': by
    the picture. See `unnoise.noise.channel_independence`."""
    axes: str | None = None
    """One letter for each axis of an array: Y rows, X columns, C channels that are no colours, S samples of a colour.
    Other letters count pictures. 'ZYX' is a stack."""
    dataset: str | None = None
    """Data sets of an HDF5 file by their paths in it, with commas between them; None: the only one."""
    group: int = 1
    """Number of channels that are restored together, if they are no colours."""
    neighbours: int = 0
    """Number of frames or planes of a stack on each side that help to restore each one; 0: every one by itself. See
    `inference.temporal_average`."""
    along: str | None = None
    """The axis along which neighbours lie, such as 'T' or 'Z'; None: T, else Z, else the only one that counts pictures."""

    def __post_init__(self) -> None:
        check(strength=self.strength, detail=self.detail)
        check_tile(self.tile)
        if self.hot_pixels is not None:
            check_hot_pixels(self.hot_pixels)
        check_row_noise(self.row_noise)
        check_dtype(self.dtype)
        check_channels(self.channels)
        check_axes(self.axes)
        check_neighbours(self.neighbours, self.along)

    @classmethod
    def of(cls, given: Mapping[str, Any], base: DenoiseOptions | None = None) -> DenoiseOptions:
        """Options from keyword arguments. Old names are read too, with a warning.

        Args:
            given: the keyword arguments that a caller gave.
            base: the options that they replace; None: the defaults.

        Raises:
            TypeError: a name is no option.
            UsageError: an option cannot have its value.

        >>> DenoiseOptions.of({"tile": 64}).tile
        64
        """
        named: dict[str, Any] = {}
        for name, value in given.items():
            new = OLD_FIELDS.get(name, name)
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

    def settings(self, recipe: Recipe | AppliedRecipe) -> InferenceSettings:
        """The settings for a network with this recipe.

        Raises:
            UsageError: a field of the recipe cannot have the value of the option.

        >>> DenoiseOptions(refine=False).settings(recipes.load("ap-bsn")).refinement is None
        True
        """
        changes = {"bias_correction": self.bias_correction, "normalization": self.normalization}
        asked = {name: value for name, value in changes.items() if value is not None}
        applied: Any = recipes.changed(recipe, asked) if asked else recipe
        refine = recipe.refinement is not None if self.refine is None else self.refine
        return InferenceSettings(
            refinement=(recipe.refinement or R3()) if refine else None,
            ensemble=recipe.ensemble if self.ensemble is None else self.ensemble,
            tile=self.tile,
            precision=self.precision,
            bias_correction=applied.bias_correction,
            normalization=applied.normalization,
            strength=self.strength,
            detail=recipe.detail if self.detail is None else self.detail,
            half_size=recipe.half_size,
            bounded=recipe.bounded if self.bounded is None else self.bounded,
            force=self.force,
            hot_pixels=self.hot_pixels or "keep",
            row_noise=self.row_noise or "auto",
        )

    def fingerprint_fields(self) -> dict[str, Any]:
        """The fields that enter a manifest's fingerprint. They keep the names of the first version, so that its
        manifests stay valid."""
        old = {new: name for name, new in OLD_FIELDS.items()}
        fields = {old.get(name, name): value for name, value in _shallow(self).items()}
        fields["mask"] = None if self.mask is None else hashlib.sha256(read_mask(self.mask).tobytes()).hexdigest()
        return {name: value for name, value in fields.items() if name not in ADDED_LATER or value not in (None, False)}


def _shallow(options: DenoiseOptions) -> dict[str, Any]:
    return {each.name: getattr(options, each.name) for each in dataclasses.fields(options)}


def read_mask(mask: Any) -> NDArray[Any]:
    """The pixels of a mask that was given as an array, a tensor or a file.

    Raises:
        UsageError, UnnoiseError: the file cannot be read.

    >>> read_mask([[0, 1]])
    array([[0, 1]])
    """
    return images.read(mask).pixels if isinstance(mask, str | Path) else np.asarray(mask)
