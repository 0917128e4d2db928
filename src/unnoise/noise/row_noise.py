"""Row and column noise: offsets that all pixels of a row, or of a column, have in common.

Detectors that read out row by row add such offsets. They look like stripes, and a network takes them for structure. A
stripe extends over the whole width, while the scene changes along it. So the picture is divided into segments of
columns. What all segments have in common is compared with what they do not, frequency by frequency:

- The power of the offsets is measured at high vertical frequencies, where scenes have little.
- It counts only if it exceeds chance, if all parts of the width share it, and if all parts of the height have it.
- A Wiener filter (Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949) then estimates
  the offsets. It leaves frequencies alone at which the scene is stronger. The mean is always left alone.

Columns are treated like rows. The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.regions import RegionSource

Array = NDArray[Any]

MIN_PIXELS = 64
"""Height and width from which on offsets are looked for."""
SEGMENTS = 16
"""Number of segments across."""
STRIP_PIXELS = 2**20
"""Approximate number of pixels that are read at a time."""
TRIMMED_SHARE = 0.25
"""Share of the lowest, and of the highest, values of a row in a segment that are left out, such as stars and hot pixels."""
REFERENCE_LINES = 4
"""Number of horizontal frequencies above 0 that show the power of scene and white noise."""
HIGH_FREQUENCY = 0.25
"""Cycles per pixel above which the power of the offsets is measured."""
CHANCE_SIGMAS = 6.0
"""The power must exceed that of chance by this many of its standard deviations."""
MIN_WHITENESS = 0.25
"""At the higher half of these frequencies the power must be at least this share of that at the lower half."""
CEILING = 8.0
"""The power of a single frequency counts as no more than this many times the typical power. Single frequencies may be
strong: the mosaic of a camera's colors, the blocks of JPEG."""
CHI_SQUARED_MEDIAN = 0.4549
"""Median of the power of one frequency of noise, if the mean is 1."""
CHI_SQUARED_2_MEDIAN = 1.3863
"""The same of the power of one wave, if the mean is 2."""
MIN_SPREAD = 0.3
"""By the median over frequencies the power must be at least this share of the mean over them. Offsets fill all frequencies,
and the lines of a grid few."""
MAX_ABOVE_MEDIAN = 1.3
"""The power counts as no more than this many times what the median tells."""
MIN_SHARED = 0.25
"""Each two parts of the width must share at least this part of the mean power of the offsets."""
MIN_SHARED_OF_HEIGHT = 0.1
"""The same for each part of the height. It has fewer values, so chance is greater."""
BLOCKS = 4
"""Number of parts of the height, and of the width, that must agree."""
OUTLIER_SIGMAS = 8.0
"""A segment of a row that deviates further from the other segments does not count, such as a scale bar."""
OUTLIER_WINDOW_PIXELS = 31
"""Rows that a median spans for this comparison."""
MAX_OFFSET_SIGMAS = 4.0
"""Offsets are limited to this many of their standard deviations: a brighter row is structure."""


@dataclass(frozen=True)
class RowNoise:
    """The offsets of the rows and columns of one channel, in the values of the picture. Their means are 0.

    >>> RowNoise(rows=None, columns=None).is_none
    True
    """

    rows: Array | None
    """(H,) float32; None: no more than chance gives."""
    columns: Array | None
    """(W,) float32; None: no more than chance gives."""
    row_sigma: float = 0.0
    """Standard deviation of the offsets of the rows, with the part that cannot be told from the scene."""
    column_sigma: float = 0.0
    """The same of the columns."""

    @property
    def is_none(self) -> bool:
        """Whether there is neither row noise nor column noise."""
        return self.rows is None and self.columns is None


def measure_row_noise(view: RegionSource) -> list[RowNoise]:
    """Measure the row and column noise of a picture that need not lie in memory.

    Args:
        view: (1, C, H, W) in any values.

    Returns:
        One for each channel.

    >>> rng = np.random.default_rng(0)
    >>> stripes = rng.normal(0, 1, (1, 1, 96, 1)) + rng.normal(0, 1, (1, 1, 96, 128))
    >>> (found,) = measure_row_noise(RegionSource.of(stripes))
    >>> 0.7 < found.row_sigma < 1.3, found.columns is None
    (True, True)
    """
    height, width = view.size
    channels = view.read(slice(0, 1), slice(0, 1)).shape[1]
    if min(height, width) < MIN_PIXELS:
        return [RowNoise(None, None)] * channels
    across, down = _profiles(view, channels)
    found = []
    for channel in range(channels):
        rows, row_sigma = _offsets(across[channel], width)
        columns, column_sigma = _offsets(down[channel], height)
        found.append(RowNoise(rows, columns, row_sigma, column_sigma))
    return found


def _profiles(view: RegionSource, channels: int) -> tuple[Array, Array]:
    """Means of the rows in segments of columns, (C, H, SEGMENTS), and of the columns in segments of rows, (C, W, SEGMENTS)."""
    height, width = view.size
    edges = [np.linspace(0, length, SEGMENTS + 1).astype(int) for length in (width, height)]
    across, down = np.empty((channels, height, SEGMENTS)), np.empty((channels, width, SEGMENTS))
    most = max(1, STRIP_PIXELS // width)
    for number, (top, bottom) in enumerate(zip(edges[1], edges[1][1:], strict=False)):
        parts = []
        for first in range(top, bottom, most):
            strip = _as_float64(view.read(slice(first, min(first + most, bottom)), slice(0, width)))[0]  # (C, rows, W)
            for segment, (left, right) in enumerate(zip(edges[0], edges[0][1:], strict=False)):
                across[:, first : first + strip.shape[1], segment] = _trimmed_mean(strip[:, :, left:right], 2)
            parts.append((_trimmed_mean(strip, 1), strip.shape[1]))
        weight = sum(rows for _, rows in parts)
        down[:, :, number] = sum(mean * rows for mean, rows in parts) / weight
    return across, down


def _as_float64(x: Any) -> Array:
    if is_torch_array(x):
        return np.asarray(x.double().cpu().numpy())
    return np.asarray(array_namespace(x).astype(x, array_namespace(x).float64))


def _trimmed_mean(x: Array, axis: int) -> Array:
    count = x.shape[axis]
    cut = int(TRIMMED_SHARE * count)
    ordered = np.partition(x, (cut, count - 1 - cut), axis) if cut else x
    result: Array = np.take(ordered, np.arange(cut, count - cut), axis).mean(axis)
    return result


def _offsets(profiles: Array, pixels: int) -> tuple[Array | None, float]:
    """The offsets that all segments share, (H,), and their standard deviation. None: no more than chance gives.

    Args:
        profiles: means of each row in each segment, (H, SEGMENTS).
        pixels: the width of the picture.
    """
    profiles = _without_outliers(profiles)
    shared = profiles.mean(1)  # (H,)
    waves = np.arange(1, REFERENCE_LINES + 1)[:, None] * (np.arange(SEGMENTS) + 0.5) * math.pi / SEGMENTS
    others = profiles @ (np.cos(waves) * math.sqrt(2) / SEGMENTS).T  # (H, lines): as strong as `shared` but for its offsets
    line, reference = _spectrum(shared[:, None])[:, 0], _spectrum(others)
    power = _power(line, reference, profiles)
    power = _without_grids(power, shared, others) if power else None
    if power is None:
        return None, 0.0
    scene = np.maximum(_smooth(reference.mean(1)), _smooth(line) - 2 * power)
    gain = power / (power + scene)
    gain[0] = 0
    mirrored = np.concatenate([shared, shared[::-1]])
    offsets = np.fft.irfft(np.fft.rfft(mirrored) * np.append(gain, gain[-1]), len(mirrored))[: len(shared)]
    sigma = math.sqrt(power)
    offsets = np.clip(offsets, -MAX_OFFSET_SIGMAS * sigma, MAX_OFFSET_SIGMAS * sigma)
    return (offsets - offsets.mean()).astype(np.float32), sigma


def _power(line: Array, reference: Array, profiles: Array) -> float | None:
    """The power of the offsets, as a variance; None: no more than chance gives, or not everywhere alike."""
    first = int(2 * HIGH_FREQUENCY * len(line))
    high, other = line[first:], reference[first:]
    chance = _typical(other)
    excess = _typical(high) - chance
    if not excess > CHANCE_SIGMAS * chance * math.sqrt(2 / len(high) + 2 / other.size):
        return None
    lower, upper = (
        _typical(part) - _typical(beside)
        for part, beside in zip(np.array_split(high, 2), np.array_split(other, 2), strict=True)
    )
    if upper < MIN_WHITENESS * lower:  # optics blur what a scene shows
        return None
    edges = np.diff(profiles, 2, axis=0)  # blind to slopes: high frequencies
    by_width = np.stack([part.mean(1) for part in np.array_split(edges, BLOCKS, axis=1)])  # (BLOCKS, H - 2)
    products = [float((by_width[a] * by_width[b]).mean()) for a in range(BLOCKS) for b in range(a)]
    halves = by_width[0] + by_width[1], by_width[2] + by_width[3]
    by_height = [float(part.mean()) for part in np.array_split(halves[0] * halves[1], BLOCKS)]
    if min(products) < MIN_SHARED * np.mean(products) or min(by_height) < MIN_SHARED_OF_HEIGHT * np.mean(by_height):
        return None
    return excess


def _without_grids(power: float, shared: Array, others: Array) -> float | None:
    """The power of the offsets as far as it lies at all frequencies; None: it lies at few.

    A window keeps the power of strong waves from spreading to other frequencies.
    """
    window = np.sin(math.pi * (np.arange(len(shared)) + 0.5) / len(shared))[:, None] ** 2
    first = int(HIGH_FREQUENCY * len(shared))
    line, reference = (abs(np.fft.rfft(x * window, axis=0)[first:]) ** 2 / (window**2).sum() for x in (shared[:, None], others))
    told = 2 * float(np.median(line) - np.median(reference)) / CHI_SQUARED_2_MEDIAN
    return min(power, MAX_ABOVE_MEDIAN * told) if told > MIN_SPREAD * power else None


def _typical(power: Array) -> float:
    """The mean power without strong single frequencies."""
    return float(np.minimum(power, CEILING * np.median(power) / CHI_SQUARED_MEDIAN).mean())


def _without_outliers(profiles: Array) -> Array:
    """Replace segments of single rows that deviate from the other segments, (H, SEGMENTS)."""
    for _ in range(2):
        ground = _running_median(profiles)
        detail = profiles - ground
        shared = np.median(detail, axis=1, keepdims=True)
        deviation = detail - shared
        limit = OUTLIER_SIGMAS * 1.4826 * np.median(abs(deviation))
        profiles = np.where(abs(deviation) > limit, ground + shared, profiles)
    return profiles


def _running_median(profiles: Array) -> Array:
    reach = OUTLIER_WINDOW_PIXELS // 2
    padded = np.pad(profiles, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")  # slopes go on
    result: Array = np.median(np.lib.stride_tricks.sliding_window_view(padded, OUTLIER_WINDOW_PIXELS, axis=0), axis=-1)
    return result


def _spectrum(x: Array) -> Array:
    """The power of each frequency of a cosine transform along the first axis, (H, n) → (H, n). White noise has its variance."""
    length = len(x)
    waves = np.fft.rfft(np.concatenate([x, x[::-1]]), axis=0)[:length]
    power: Array = abs(waves) ** 2 / (2 * length)
    return power


def _smooth(power: Array) -> Array:
    """Average a spectrum over neighbouring frequencies; the window grows with the frequency."""
    sums = np.concatenate([[0.0], np.cumsum(power)])
    place = np.arange(len(power))
    reach = np.minimum(2 + place // 4, 64)
    first, last = np.maximum(place - reach, 1), np.minimum(place + reach + 1, len(power))
    first = np.minimum(first, last - 1)
    result: Array = (sums[last] - sums[first]) / (last - first)
    return result
