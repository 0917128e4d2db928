"""Linear light of a camera, as a network sees it: white-balanced, and by the curve of sRGB.

A sensor's values are in proportion to light, before white balance. In the dark its noise reaches below black. Networks
know pictures that are developed, so they are shown one: each channel times its gain, black lifted until hardly any
noise lies below it, and sRGB's curve. The result goes back by the same steps. What lies far outside goes around the
network.

The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unnoise.photometry.srgb import srgb_decode, srgb_encode

Array = NDArray[Any]

BELOW_SHARE = 0.001
"""Share of the values that may lie below the lifted black."""
MAX_LIFT = 0.2
"""Of white: more is not noise."""
MAX_GAIN = 2.2
"""Of the strongest channel: with stronger white balance, all channels are shown darker."""
ENDS = -0.45, 1.45
"""Values that the network is shown at most; see `images.pixels.check_range`."""
SAMPLE_VALUES = 2**20
"""About how many values tell the lift."""
STRIP_PIXELS = 2**20
"""Approximate number of pixels that are read at a time."""


class Regions(Protocol):
    """Pixels that are read by regions."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        ...

    def region(self, rows: slice, columns: slice) -> Array: ...


@dataclass(frozen=True)
class CameraLight:
    """The curve between a sensor's values and what a network is shown.

    >>> light = CameraLight((512.0, 512.0, 512.0), 16383.0, (2.0, 1.0, 1.5), 0.01)
    >>> values = np.full((1, 2, 3), 4000, np.uint16)
    >>> shown = light.forward(values)
    >>> bool((light.inverse(shown, values) == values).all())
    True
    """

    black: tuple[float, ...]
    """The value without light: of each channel, or one for all."""
    white: float
    """The value at which the sensor saturates."""
    gains: tuple[float, ...]
    """What each channel is multiplied by."""
    lift: float
    """What is added to light, of white."""

    @classmethod
    def decide(cls, pixels: Regions, black: Sequence[float], white: float, neutral: Sequence[float]) -> CameraLight:
        """Look at a picture, and decide by how much black is lifted.

        Args:
            pixels: (H, W, 3), or (H, W) of one colour.
            black, white: values of its own scale.
            neutral: what each channel has where a picture is white, as a share of the strongest.
        """
        gains = np.array(neutral, np.float64) ** -1
        gains *= min(1.0, MAX_GAIN / gains.max())
        plain = cls(tuple(black), white, tuple(map(float, gains)), 0.0)
        height, width = pixels.shape[:2]
        step = max(1, math.isqrt(math.prod(pixels.shape) // SAMPLE_VALUES))
        rows = max(1, STRIP_PIXELS // width // step) * step
        strips = (pixels.region(slice(top, min(top + rows, height)), slice(0, width)) for top in range(0, height, rows))
        values = np.concatenate([plain.light(strip[::step, ::step]).ravel() for strip in strips])
        lowest = float(np.quantile(values, BELOW_SHARE))
        return cls(plain.black, white, plain.gains, min(max(0.0, -lowest), MAX_LIFT))

    def light(self, values: Array) -> Array:
        """White-balanced light, float64, of values (…, 3) or (…)."""
        black = np.array(self.black if len(self.black) > 1 else self.black[0])
        gains = np.array(self.gains if len(self.gains) > 1 else self.gains[0])
        made: Array = (values - black) * (gains / (self.white - black))
        return made

    def forward(self, values: Array) -> Array:
        """What the network is shown: float32 (…, 3), equal channels where there is one.

        Args:
            values: (…, 3), or (…) of one colour, as stored.
        """
        shown = np.clip(self._coded(values), *ENDS).astype(np.float32)
        return shown if len(self.gains) > 1 else np.repeat(shown[..., None], 3, -1)

    def inverse(self, shown: Array, values: Array) -> Array:
        """Stored values, rounded to whole numbers of the type of `values`.

        Args:
            shown: the result for `forward(values)`, float32 (…, 3).
            values: the noisy ones.
        """
        if len(self.gains) == 1:
            shown = shown.mean(-1, dtype=np.float64)
        ends = srgb_decode(np.array(ENDS))
        coded = self.light(values) + self.lift
        beyond = coded / (1 + self.lift) - np.clip(coded / (1 + self.lift), *ends)
        black = np.array(self.black if len(self.black) > 1 else self.black[0])
        gains = np.array(self.gains if len(self.gains) > 1 else self.gains[0])
        light = (srgb_decode(shown.astype(np.float64)) + beyond) * (1 + self.lift) - self.lift
        made = np.rint(light * (self.white - black) / gains + black)
        most = np.iinfo(values.dtype)
        result: Array = np.clip(made, most.min, most.max).astype(values.dtype)
        return result

    def _coded(self, values: Array) -> Array:
        coded: Array = srgb_encode((self.light(values) + self.lift) / (1 + self.lift))
        return coded
