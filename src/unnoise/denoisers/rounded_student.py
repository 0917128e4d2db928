"""TM-BSN (D)'s student with hidden maps of bytes, for CPUs whose int8 is several times as fast as anything else they have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unnoise.denoisers.tmbsn import TMBSNStudent, cut
from unnoise.layers.partial.halo_crop import LEVELS, LOW
from unnoise.layers.partial.row_chunks import in_steps
from unnoise.layers.quantized.int8 import is_bytewise
from unnoise.layers.quantized.rounded_convolution import RoundedConvolution
from unnoise.regions import Region

STRIP = 3 * 2**20
"""Values of the last map, in float32, of a strip that the caches hold: the convolution then takes half of the time."""
HELD = 0.8
"""Of the largest value of a channel is what the last step stands for: finer steps are worth more than the rare values that saturate
(measured: docs/results/speed.md)."""
UNUSED = 1e-4
"""What the last step stands for at least, where a channel is not used."""


class RoundedStudent(TMBSNStudent):
    """`TMBSNStudent` whose hidden maps and weights are bytes, (B, channels, H, W) → the same shape.

    It learns with them rounded, and is the student itself wherever it does not run in int8. What meets the image is not rounded: the
    weights of the first layer and of the last, and the map that the last one sees. Values in [0, 1]. The network is that of TM-BSN, CVPR
    2026; its steps are learned as by Esser et al., "Learned Step Size Quantization", ICLR 2020, in their logarithm.

    Args:
        channels, width, finest: as there.
    """

    prefers_int8 = True

    def __init__(self, channels: int = 3, width: int = 48, finest: int | None = None) -> None:
        super().__init__(channels, width, finest)
        for level in range(2, LEVELS + 2):
            self._layer(f"enc{level}").sees(self._layer(f"enc{level - 1}"))
        deeper = self._layer(f"enc{LEVELS + 1}")
        for level in range(LEVELS, 0, -1):
            deeper = self._layer(f"dec{level}_2").sees(deeper, self._layer(f"enc{level}"))
            if level > 1:
                deeper = self._layer(f"dec{level}_1").sees(deeper)

    @torch.inference_mode()
    def calibrate(self, pictures: Iterable[Tensor], held: float = HELD) -> None:
        """Choose the steps by what the maps hold for some pictures, not rounded; no weight changes.

        Args:
            pictures: (B, channels, H, W) each, in `value_range`.
            held: of the largest value of a channel is what its last step stands for.
        """
        layers = [layer for layer in self.modules() if isinstance(layer, RoundedConvolution) and layer.top is not None]
        for layer in layers:
            layer.largest = layer.conv.weight.new_full((layer.conv.out_channels,), UNUSED)
        was_training = self.training
        self.eval()
        try:
            for picture in pictures:
                self(picture)
            for layer in layers:
                assert layer.top is not None
                assert layer.largest is not None
                layer.top.copy_((held * layer.largest).log())
        finally:
            self.train(was_training)
            for layer in layers:
                layer.largest = None

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

    def first(self, x: Tensor, pieces: Sequence[slice]) -> Callable[[Region], Tensor]:
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
