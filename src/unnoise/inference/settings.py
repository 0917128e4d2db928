"""How a network is applied: what the recipe says, with the caller's options on top."""

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
    """How a network is applied. Each field has a default."""

    refinement: R3 | None = None
    ensemble: bool = False
    tile: int | None = None
    """Side of a tile's core in pixels; None: as memory allows."""
    precision: str | None = None
    seed: int = 0
    """Of R³'s draws and of random masks."""
    bias_correction: BiasCorrection | None = None
    """How the mean brightness of the result is corrected; None: not at all."""
    normalization: Normalization | None = None
    """When the network sees a picture's own range of values; None: never."""
    strength: float = 1.0
    """Weight of the restoration in its mixture with the noisy picture."""
    detail: float = 0.0
    """Share of what was removed that is put back where it is more than noise."""
    bounded: bool = False
    """Whether no more is removed than the noise that was measured in the picture; see `inference.do_no_harm`."""
    force: bool = False
    """Whether pictures without noise are restored too, where `bounded` would leave them as they are."""

    def __post_init__(self) -> None:
        check_tile(self.tile)

    @property
    def is_measured(self) -> bool:
        """Whether every picture is shown to the network with its own range."""
        return self.normalization is not None and self.normalization.of == "picture"

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> InferenceSettings:
        """For pictures of a kind (see `images.Layout.colours`): what is *auto* is settled where the kind tells it."""
        return replace(
            self,
            bias_correction=self.bias_correction.of_kind(colours, dtype) if self.bias_correction else None,
            normalization=self.normalization.of_kind(colours, dtype) if self.normalization else None,
        )


def check_tile(tile: int | None) -> None:
    """Raise `UsageError` unless `tile` is None or a whole number of at least 16 pixels."""
    if tile is not None and (not isinstance(tile, int) or tile < 16):
        raise UsageError(f"A tile must be a whole number of pixels, at least 16, got {tile}.")
