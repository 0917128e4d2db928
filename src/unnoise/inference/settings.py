"""The settings with which a network is applied: those of the recipe, replaced by the options of the caller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.normalization import Normalization
from unnoise.schemes.r3 import R3

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class InferenceSettings:
    """The settings with which a network is applied. Each field has a default.

    Raises:
        UsageError: the tile is no whole number of at least 16.

    >>> InferenceSettings(tile=8)
    Traceback (most recent call last):
    unnoise.errors.UsageError: A tile must be a whole number of pixels, at least 16, got 8.
    """

    refinement: R3 | None = None
    """R³ (random replacing refinement); None: the first estimate is the result."""
    ensemble: bool = False
    """Whether the results for the eight flips and quarter turns are averaged."""
    tile: int | None = None
    """Side of a tile's core in pixels; None: chosen by the free memory."""
    precision: str | None = None
    """As `choose_precision` takes it."""
    seed: int = 0
    """Seed of the random numbers of R³ and of random masks."""
    bias_correction: BiasCorrection | None = None
    """The correction of the result's mean brightness; None: there is none."""
    normalization: Normalization | None = None
    """The rule by which a picture's range is mapped to 0..1; None: it never is."""
    strength: float = 1.0
    """Weight of the restoration in its mixture with the noisy picture, 0..1."""
    detail: float = 0.0
    """Share of removed structure that is put back, 0..1; see `inference.blending.keep_detail`."""
    half_size: float = 0.0
    """Share of what a second pass at half the size changes, 0..1; see `inference.half_size`. 0: there is no such pass."""
    bounded: bool = False
    """Whether the removal is bounded by the noise measured in the picture; see `inference.do_no_harm`."""
    hot_pixels: str = "keep"
    """What becomes of hot pixels; see `inference.hot_pixels`."""
    force: bool = False
    """Whether pictures without noise are restored too. Else `bounded` leaves them unchanged."""
    row_noise: str = "keep"
    """Whether row and column noise is removed first: 'remove', 'keep', or 'auto' for measurements alone."""

    def __post_init__(self) -> None:
        check_tile(self.tile)

    @property
    def is_measured(self) -> bool:
        """Whether each picture's own range is mapped to 0..1 for the network."""
        return self.normalization is not None and self.normalization.of == "picture"

    @property
    def removes_row_noise(self) -> bool:
        """Whether row and column noise is removed, by settings of one kind of picture (`of_kind`)."""
        return self.row_noise == "remove" or (self.row_noise == "auto" and self.is_measured)

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> InferenceSettings:
        """The settings for a kind of picture: *auto* is replaced by a decision where the kind decides it.

        Args:
            colours: the kind, as in `images.Layout.colours`.
            dtype: the type of the stored pixels.
        """
        return replace(
            self,
            bias_correction=self.bias_correction.of_kind(colours, dtype) if self.bias_correction else None,
            normalization=self.normalization.of_kind(colours, dtype) if self.normalization else None,
        )


def check_tile(tile: int | None) -> None:
    """Check the side of tiles. Raises `UsageError` unless it is None or a whole number of at least 16 pixels.

    >>> check_tile(None)
    """
    if tile is not None and (not isinstance(tile, int) or tile < 16):
        raise UsageError(f"A tile must be a whole number of pixels, at least 16, got {tile}.")
