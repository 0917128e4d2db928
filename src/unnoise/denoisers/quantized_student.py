"""TM-BSN (D)'s student with int8 weights and uint8 maps, for CPUs whose int8 is several times faster than anything
else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unnoise.denoisers.tmbsn import TMBSNStudent, region_reader
from unnoise.deprecated.module_names import renamed
from unnoise.layers.partial.halo_crop import MIN_STRIP_ROWS, POOLING_LEVELS
from unnoise.layers.partial.row_chunks import split_rows
from unnoise.layers.quantized.int8 import runs_in_int8
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution
from unnoise.regions import Region

STRIP_VALUES = 3 * 2**20
"""Values of the last map, in float32, in one strip. The strip fits the caches, and the convolution takes half of the
time."""
MAXIMUM_SHARE = 0.9
"""The maximum of a map's levels, as a share of a channel's largest value.

Finer levels gain more than clamping the rare largest values costs. At 0.8 black, white and saturated colors lose more than
that (measured: docs/results/speed-int8.md)."""
MIN_MAXIMUM = 1e-4
"""Least maximum of a channel, for channels that are not used."""


class QuantizedStudent(TMBSNStudent):
    """`TMBSNStudent` with int8 weights and uint8 hidden maps, (B, channels, H, W) → the same shape, values in [0, 1].

    It learns with weights and maps rounded. Where it does not run in int8 it is the plain student. What touches the
    image is not rounded: the weights of the first and last layer, and the map that enters the last layer. The network
    is that of TM-BSN, CVPR 2026. Its scales are learned as in Esser et al., "Learned Step Size Quantization", ICLR
    2020, as logarithms.

    Args:
        channels, width, finest: as in `TMBSNStudent`.

    >>> import torch
    >>> QuantizedStudent(width=4)(torch.zeros(1, 3, 33, 34)).shape
    torch.Size([1, 3, 33, 34])
    """

    prefers_int8 = True

    def __init__(self, channels: int = 3, width: int = 48, finest: int | None = None) -> None:
        super().__init__(channels, width, finest)
        for level in range(2, POOLING_LEVELS + 2):
            self._layer(f"enc{level}").set_sources(self._layer(f"enc{level - 1}"))
        deeper = self._layer(f"enc{POOLING_LEVELS + 1}")
        for level in range(POOLING_LEVELS, 0, -1):
            deeper = self._layer(f"dec{level}_2").set_sources(deeper, self._layer(f"enc{level}"))
            if level > 1:
                deeper = self._layer(f"dec{level}_1").set_sources(deeper)

    @torch.inference_mode()
    def calibrate(self, pictures: Iterable[Tensor], held: float = MAXIMUM_SHARE) -> None:
        """Choose the scales by what the maps hold for some pictures. No weight changes.

        Args:
            pictures: (B, channels, H, W) each, in `value_range`.
            held: the largest representable value, as a share of each channel's largest value.
        """
        layers = [
            layer for layer in self.modules() if isinstance(layer, QuantizedConvolution) and layer.log_maximum is not None
        ]
        for layer in layers:
            layer.observed_maximum = layer.conv.weight.new_full((layer.conv.out_channels,), MIN_MAXIMUM)
        was_training = self.training
        self.eval()
        try:
            for picture in pictures:
                self(picture)
            for layer in layers:
                assert layer.log_maximum is not None
                assert layer.observed_maximum is not None
                layer.log_maximum.copy_((held * layer.observed_maximum).log())
        finally:
            self.train(was_training)
            for layer in layers:
                layer.observed_maximum = None

    def convolution(
        self, in_channels: int, out_channels: int, *, first: bool = False, last: bool = False
    ) -> QuantizedConvolution:
        layer = QuantizedConvolution(in_channels, out_channels, rounded=not last)
        layer.is_first = first
        return layer

    def row_strips(self, rows: slice, x: Tensor) -> list[slice]:
        larger = super().row_strips(rows, x)
        if len(larger) == 1 or not runs_in_int8(x):
            return larger
        held = STRIP_VALUES // (len(x) * self.sizes["finest"] * x.shape[-1]) // 2 * 2
        return split_rows(rows, min(max(MIN_STRIP_ROWS, held), larger[0].stop - larger[0].start))

    def first(self, x: Tensor, pieces: Sequence[slice]) -> Callable[[Region], Tensor]:
        return (
            region_reader(self._layer("enc1")(x)) if runs_in_int8(x) else super().first(x, pieces)
        )  # uint8 maps are small enough to keep

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """As for the student, from weights that have scales as well."""
        others = {key: value for key, value in weights.items() if not key.endswith((".log_maximum", ".top"))}
        return super().infer_sizes(others) if len(others) < len(weights) else None

    def _layer(self, name: str) -> QuantizedConvolution:
        layer = self.get_submodule(name)
        assert isinstance(layer, QuantizedConvolution)
        return layer


__getattr__ = renamed(__name__, {"RoundedStudent": "QuantizedStudent"})
