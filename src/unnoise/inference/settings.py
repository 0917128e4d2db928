"""How a network is applied: what the recipe says, with the caller's options on top."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError
from unnoise.photometry.bias_correction import Light
from unnoise.photometry.clipping import EVERYWHERE, Cut
from unnoise.photometry.normalization import Levels
from unnoise.photometry.transfer_function import settled
from unnoise.regions import RegionSource
from unnoise.schemes.r3 import R3

if TYPE_CHECKING:
    import numpy as np
    import torch

    from unnoise.images import Layout


@dataclass(frozen=True)
class InferenceSettings:
    """How a network is applied. Each field has a default."""

    refinement: R3 | None = None
    ensemble: bool = False
    tile: int | None = None
    """Side of a tile's core in pixels; None: as memory allows."""
    precision: str | None = None
    seed: int = 0
    """Of R³'s draws and of random masks."""
    bias_correction: Light | None = None
    """How the mean brightness of the result is corrected; None: not at all."""
    normalization: Levels | None = None
    """When the network sees a picture's own range of values; None: never."""
    strength: float = 1.0
    """Weight of the restoration in its mixture with the noisy picture."""
    detail: float = 0.0
    """Share of what was removed that is put back where it is more than noise."""

    def __post_init__(self) -> None:
        check_tile(self.tile)

    @property
    def measures(self) -> bool:
        """Whether the picture is shown with its own range, whatever it is."""
        return self.normalization is not None and self.normalization.of == "picture"

    def cut_of(self, view: RegionSource) -> Cut:
        """Where the noise of a picture is cut off; without a light to keep nobody asks, and it is taken to be so at both ends."""
        return self.bias_correction.of_view(view).cut_of(view) if self.bias_correction else EVERYWHERE

    def of_view(self, view: RegionSource) -> InferenceSettings:
        """For this very picture, where its kind left something open."""
        return replace(
            self,
            bias_correction=self.bias_correction.of_view(view) if self.bias_correction else None,
            normalization=settled(self.normalization, view),
        )

    def of_picture(self, layout: Layout, dtype: np.dtype[Any] | torch.dtype) -> InferenceSettings:
        """For a picture of this kind, where that was left open."""
        return replace(
            self,
            bias_correction=self.bias_correction.of_picture(layout, dtype) if self.bias_correction else None,
            normalization=self.normalization.of_picture(layout, dtype) if self.normalization else None,
        )


def check_tile(tile: int | None) -> None:
    """Raise `UsageError` unless `tile` is None or a whole number of at least 16 pixels."""
    if tile is not None and (not isinstance(tile, int) or tile < 16):
        raise UsageError(f"A tile must be a whole number of pixels, at least 16, got {tile}.")
