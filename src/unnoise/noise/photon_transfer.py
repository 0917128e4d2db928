"""Photon transfer: a camera's gain, offset and read noise, from the noise by brightness and a dark frame.

Janesick, "Photon Transfer", SPIE Press 2007. The variance of a pixel is gain · (mean − offset) + read noise², in counts.
A dark frame, taken without light, tells the offset and the read noise, and the noise of a picture by brightness tells the
gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[Any]
CLIP_SIGMAS = 5.0
"""Values farther from the mean of a dark frame, such as hot pixels, do not count."""
LEAST_SIGNAL_SIGMAS = 1.0
"""The brightest places must lie above the offset by this many standard deviations of the read noise."""
MAX_RELATIVE_ERROR = 0.1
"""The transfer holds if the median relative error of the standard deviation is at most this."""


class DarkFrame(BaseModel):
    """What frames without light tell.

    >>> DarkFrame(offset=100, read_noise=6, frames=1).offset
    100.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    offset: float
    """Mean value."""
    read_noise: float
    """Standard deviation of a pixel's noise. From several frames it is that between frames; from one frame, it includes
    fixed patterns."""
    frames: int


class PhotonTransfer(BaseModel):
    """A camera's figures, in the picture's own values (counts) and in electrons.

    >>> transfer = PhotonTransfer(gain=2.0, offset=100, read_noise=6, error=0.01, holds=True)
    >>> transfer.read_electrons
    3.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float
    """Counts for an electron."""
    offset: float
    """Counts without light."""
    read_noise: float
    """Standard deviation in counts."""
    error: float
    """Median relative error of the standard deviation at the points of brightness."""
    holds: bool
    """Whether the noise is that of photons and reading: `error` is at most 10 %."""

    @property
    def read_electrons(self) -> float:
        """Read noise in electrons."""
        return self.read_noise / self.gain


def measure_dark(frames: Sequence[Array]) -> DarkFrame:
    """Measure frames that were taken without light.

    Args:
        frames: (H, W) each, of the same size, finite.

    >>> draw = np.random.default_rng(0)
    >>> dark = measure_dark([draw.normal(100, 6, (64, 64)) for _ in range(2)])
    >>> round(dark.offset), round(dark.read_noise)
    (100, 6)
    """
    values = [frame.astype(np.float64) for frame in frames]
    offset = float(np.mean([_clipped(frame).mean() for frame in values]))
    if len(values) > 1:
        noise = float(np.mean([_clipped(one - other).std() for one, other in pairwise(values)])) / 2**0.5
    else:
        noise = float(_clipped(values[0]).std())
    return DarkFrame(offset=offset, read_noise=noise, frames=len(values))


def photon_transfer(brightness: Array, sigma: Array, dark: DarkFrame) -> PhotonTransfer | None:
    """The gain that fits the noise of a picture by brightness, with the offset and read noise of a dark frame.

    Args:
        brightness, sigma: (n), points of the noise by brightness in the picture's own values, such as
            `NoiseReport.points`.
        dark: of the same camera.

    Returns:
        None: the noise does not grow with brightness, or there is hardly any light.

    >>> brightness = np.array([150.0, 400, 900])
    >>> sigma = np.sqrt(2 * (brightness - 100) + 36)
    >>> round(photon_transfer(brightness, sigma, DarkFrame(offset=100, read_noise=6, frames=1)).gain, 6)
    2.0
    """
    variance = sigma**2
    light, own = brightness - dark.offset, variance - dark.read_noise**2
    usable = (variance > 0) & (light > 0)
    if not usable.any() or light.max() < LEAST_SIGNAL_SIGMAS * dark.read_noise:
        return None
    light, own, variance = light[usable], own[usable], variance[usable]
    weight = 1 / variance**2  # the error of a variance is proportional to it
    gain = float((weight * light * own).sum() / (weight * light**2).sum())
    if gain <= 0:
        return None
    expected = gain * light + dark.read_noise**2
    error = float(np.median(np.abs(np.sqrt(expected / variance) - 1)))
    return PhotonTransfer(
        gain=gain, offset=dark.offset, read_noise=dark.read_noise, error=error, holds=error <= MAX_RELATIVE_ERROR
    )


def _clipped(values: Array) -> Array:
    """The values without those far from the median."""
    kept = values.ravel()
    for _ in range(4):
        near = np.abs(kept - np.median(kept)) <= max(CLIP_SIGMAS * kept.std(), 1e-30)
        if near.all():
            break
        kept = kept[near]
    return kept
