"""TM-BSN (D)'s student with hidden maps of bytes, for CPUs whose int8 is several times as fast as anything else they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from unnoise.denoisers.bytewise import is_bytewise
from unnoise.denoisers.parts import LEVELS, LOW, in_steps
from unnoise.denoisers.rounded import RoundedConvolution
from unnoise.denoisers.tmbsn import TMBSNStudent, cut
from unnoise.views import Part

STRIP = 3 * 2**20
"""Values of the last map, in float32, of a strip that the caches hold: the convolution then takes half of the time."""


class RoundedStudent(TMBSNStudent):
    """`TMBSNStudent` whose hidden maps and weights are bytes, (B, channels, H, W) → the same shape.

    It learns with them rounded, and is the student itself wherever it does not run in int8. What meets the image is not rounded: the
    weights of the first layer and of the last, and the map that the last one sees.

    Args:
        channels, width, finest: as there.
    """

    counts_in_bytes = True

    def __init__(self, channels: int = 3, width: int = 48, finest: int | None = None) -> None:
        super().__init__(channels, width, finest)
        for level in range(2, LEVELS + 2):
            self._layer(f"enc{level}").sees(self._layer(f"enc{level - 1}"))
        deeper = self._layer(f"enc{LEVELS + 1}")
        for level in range(LEVELS, 0, -1):
            deeper = self._layer(f"dec{level}_2").sees(deeper, self._layer(f"enc{level}"))
            if level > 1:
                deeper = self._layer(f"dec{level}_1").sees(deeper)

    def convolution(self, entering: int, leaving: int, *, first: bool = False, last: bool = False) -> RoundedConvolution:
        layer = RoundedConvolution(entering, leaving, rounded=not last)
        layer.is_first = first
        return layer

    def strips(self, rows: slice, x: Tensor) -> list[slice]:
        larger = super().strips(rows, x)
        if len(larger) == 1 or not is_bytewise(x):
            return larger
        held = STRIP // (len(x) * self.sizes["finest"] * x.shape[-1]) // 2 * 2
        return in_steps(rows, min(max(LOW, held), larger[0].stop - larger[0].start))

    def first(self, x: Tensor, pieces: Sequence[slice]) -> Callable[[Part], Tensor]:
        return cut(self._layer("enc1")(x)) if is_bytewise(x) else super().first(x, pieces)  # bytes are small enough to be kept

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """As for the student, from weights that have steps as well."""
        others = {key: value for key, value in weights.items() if not key.endswith(".top")}
        return super().infer_sizes(others) if len(others) < len(weights) else None

    def _layer(self, name: str) -> RoundedConvolution:
        layer = self.get_submodule(name)
        assert isinstance(layer, RoundedConvolution)
        return layer
