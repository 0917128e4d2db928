"""Normalization: which values of a picture become black and white for the network.

A camera's 12 bits in a file of 16 bits reach from 0 to 0.06. A network that learned from photographs knows nothing so
dim: such a picture came out 8 dB worse than it went in. The range of a measurement says nothing about the scene. So
the network sees the picture's own range, by a curve between a straight line and the square root. Photographs are coded
like that: their noise is about as strong everywhere, while photon noise grows with brightness. The result goes back by
the same curve. Pictures that are coded for display are shown as they are, because there dark means dark, with noise
that is rare in bright places.

The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed
from unnoise.photometry.array_ops import T, clip, match, to_numpy

if TYPE_CHECKING:
    import torch

    from unnoise.regions import RegionSource

TAIL_SHARE = 0.001
"""Share of the values that may lie below black, and the same share above white, such as hot pixels and stars."""
MARGIN_SHARE = 0.05
"""Share of the network's range that stays free on either side, so that noise in the darkest places is not clipped."""
FLOOR_MARGIN_SHARE = 0.02
"""The same where the values end at the lowest one, like counts at 0. There black is black, and no noise lies below it. With the larger
margin dark scenes of few photons kept 0.7 of their error, with this one a third of that."""
FLOOR_SHARE = 0.05
"""Share of values that are exactly the lowest, from which on it is such an end."""
OVERSHOOT_RANGES = 1 / 3
"""The network gets values up to this far beyond `low` and `high`, in units of their distance. The excess goes around the network."""
EXPONENT = 0.7
"""Exponent of the curve. Pictures of few photons gain 1 to 4 dB by it. Others gain up to 1.5 or lose up to 0.2
(`benchmarks/white.py`). The square root would even out photon noise alone, and loses up to 0.8 dB on quiet pictures."""
SAMPLE_VALUES = 2**20
"""About this many values are sampled to find the range."""
STRIP_PIXELS = 2**20
"""About this many pixels are read at a time."""


class Normalization(BaseModel):
    """The rule by which a picture's own range is mapped to that of the network, as it stands in a recipe.

    >>> Normalization().of_kind("grey", np.dtype("uint16"))
    Normalization(of='picture')
    >>> Normalization().of_kind("rgb", np.dtype("uint8")) is None
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Literal["auto", "picture"] = "auto"
    """*picture*: of every picture; *auto*: of measurements, see `is_measured` and, for grey of 8 bits,
    `unnoise.photometry.transfer_function`."""

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> Normalization | None:
        """What a picture of this kind asks for; None: it is shown as it is. *auto* is left where the kind does not tell it."""
        if self.of == "picture" or is_measured(colours, dtype):
            return Normalization(of="picture")
        return self if colours == "grey" else None


@dataclass(frozen=True)
class Scale:
    """The curve between a picture's values and those that the network gets.

    `low` becomes `margin`, and `high` becomes 1 − `margin`.

    >>> scale = Scale(low=100.0, high=300.0)
    >>> scale.forward(np.array([100.0, 300.0]))
    array([0.05, 0.95])
    """

    low: float
    high: float
    margin: float = MARGIN_SHARE

    def unit(self, x: T) -> T:
        """In proportion, with `low` at 0 and `high` at 1; of any shape."""
        return (x - self.low) / self._range

    def forward(self, x: T) -> T:
        """As the network is shown them; of any shape; see `OVERSHOOT_RANGES`."""
        return _bent(self.unit(clip(x, *self._ends)), EXPONENT) * (1 - 2 * self.margin) + self.margin

    def inverse(self, restored: T, noisy: T) -> T:
        """What the network made of `forward(noisy)` in the picture's values, and what went around it."""
        excess = noisy - clip(noisy, *self._ends)
        return (
            _bent((restored - self.margin) / (1 - 2 * self.margin), 1 / EXPONENT) * self._range
            + self.low
            + match(excess, restored)
        )

    @property
    def _range(self) -> float:
        return self.high - self.low

    @property
    def _ends(self) -> tuple[float, float]:
        most = float(np.finfo(np.float32).max)
        return max(self.low - OVERSHOOT_RANGES * self._range, -most), min(self.high + OVERSHOOT_RANGES * self._range, most)


class ConstantScale(Scale):
    """The curve of a picture that has one value alone. It has no noise, so the network gets gray.

    >>> CONSTANT_SCALE.forward(np.array([7.0, 7.0]))
    array([0.5, 0.5])
    """

    def forward(self, x: T) -> T:
        """Grey."""
        return x * 0 + 0.5

    def inverse(self, restored: T, noisy: T) -> T:
        """As it was."""
        return match(noisy, restored)


CONSTANT_SCALE = ConstantScale(0.0, 1.0)


def _bent(x: Any, exponent: float) -> Any:
    """x to a power, its sign kept."""
    return array_namespace(x).copysign(abs(x) ** exponent, x)


def is_measured(colours: str, dtype: np.dtype[Any] | torch.dtype) -> bool:
    """Whether a kind of picture is a measurement, in proportion to light.

    Gray pictures of more than 8 bits and channels that are no colors are. Color pictures, and gray ones of 8 bits, are
    coded for display.

    Args:
        colours: the kind, as in `images.Layout.colours`.
        dtype: the type of the stored pixels.

    >>> is_measured("grey", np.dtype("uint16")), is_measured("rgb", np.dtype("uint16"))
    (True, False)
    """
    return colours == "channels" or (colours == "grey" and not str(dtype).endswith("uint8"))


def scale_of_values(values: np.ndarray[Any, Any]) -> Scale | None:
    """The scale of values of any shape. None: all are the same.

    >>> scale_of_values(np.arange(1001.0))
    Scale(low=1.0, high=999.0, margin=0.05)
    """
    low, high = (float(value) for value in np.quantile(values, (TAIL_SHARE, 1 - TAIL_SHARE)))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:
        return None
    has_floor = low == values.min() and np.mean(values == low) >= FLOOR_SHARE
    return Scale(low, high, FLOOR_MARGIN_SHARE if has_floor else MARGIN_SHARE)


def measure_scale(view: RegionSource) -> Scale | None:
    """The scale of a picture, all channels together. The picture need not lie in memory.

    >>> from unnoise.regions import RegionSource
    >>> measure_scale(RegionSource.of(np.arange(100.0).reshape(1, 1, 10, 10).astype(np.float32))).high > 90
    True
    """
    height, width = view.size
    step = max(1, math.isqrt(height * width // SAMPLE_VALUES))
    rows = max(1, STRIP_PIXELS // width // step) * step
    strips = (view.read(slice(top, min(top + rows, height)), slice(0, width)) for top in range(0, height, rows))
    return scale_of_values(np.concatenate([_float32_values(strip[..., ::step, ::step]) for strip in strips]))


def _float32_values(x: Any) -> np.ndarray[Any, Any]:
    xp = array_namespace(x)
    return to_numpy(xp.astype(x, xp.float32, copy=False)).ravel()


__getattr__ = renamed(__name__, {"Levels": "Normalization", "measured": "measure_scale", "scale_of": "scale_of_values"})
