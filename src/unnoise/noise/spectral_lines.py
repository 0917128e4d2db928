"""Periodic structure in a picture: found as peaks of its spectrum, and taken out before its noise is measured.

Cloth, meshes and print that fill a picture leave no plain place to measure noise in. But their power lies at a few
frequencies, while that of noise is spread over all of them. So frequencies that stand out are filtered out. What is
left is the noise, and the picture's other structure.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.layers.gaussian_blur import gaussian_blur

Array = NDArray[Any]
Frequency = tuple[float, float]
"""Along rows and along columns, in cycles per pixel, each within −0.5..0.5."""

BLOCK_PIXELS = 64
"""Of the blocks whose spectra are averaged, in pixels."""
BLOCKS = 36
"""About how many blocks are looked at."""
MOST = 8
"""Most peaks that are filtered out."""
PEAK = 10.0
"""Least power of a peak, divided by the median power of the frequencies around it."""
AROUND = 9
"""Side of the square of frequencies that are around a peak."""
SHARE = 0.1
"""Least share of the picture's power, without coarse structure, that a peak holds. Noise of demosaicing has weaker
ones."""
COARSE = 5
"""Frequencies below this, in cycles per block, are structure that does not repeat."""
LOCAL_PIXELS = 6.0
"""Standard deviation of the Gaussian over which a wave's amplitude and phase are taken to be constant."""


def find_lines(windows: list[Array]) -> list[Frequency]:
    """The frequencies of periodic structure, the strongest first.

    Args:
        windows: parts of one picture, (H, W, C) each. Those smaller than two blocks tell nothing.

    >>> import numpy as np
    >>> len(find_lines([np.random.default_rng(0).normal(0, 1, (128, 128, 1))]))
    0
    """
    places = [(window, top, left) for window in windows for top, left in _lattice(window, len(windows))]
    if not places:
        return []
    blocks = np.stack([window[top : top + BLOCK_PIXELS, left : left + BLOCK_PIXELS] for window, top, left in places])
    blocks = blocks.transpose(0, 3, 1, 2).reshape(-1, BLOCK_PIXELS, BLOCK_PIXELS)
    half = _mean_free_powers(blocks.astype(np.float32, copy=False))
    mirrored = np.roll(half[::-1, -2:0:-1], 1, axis=0)  # a real picture's spectrum is its own mirror image
    return _peaks(np.fft.fftshift(np.concatenate([half, mirrored], axis=1)))


def without_lines(window: Array, lines: list[Frequency]) -> Array:
    """A part of a picture without its periodic structure, (H, W, C) → the same.

    A wave e^(iωp) is brought to frequency 0, smoothed, brought back and subtracted, so that its amplitude may change
    slowly.

    >>> import numpy as np
    >>> window = np.ones((64, 64, 1))
    >>> bool((without_lines(window, []) == window).all())
    True
    """
    rest: Array = window.astype(np.float32)
    rows, columns = np.arange(window.shape[0])[:, None, None], np.arange(window.shape[1])[None, :, None]
    for along_rows, along_columns in lines:
        phase = 2 * np.pi * (along_rows * rows + along_columns * columns)
        real, imaginary = np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)
        detail = rest - gaussian_blur(rest, 2 * LOCAL_PIXELS, axes=(0, 1))
        one, other = (gaussian_blur(detail * wave, LOCAL_PIXELS, axes=(0, 1)) for wave in (real, imaginary))
        is_own_mirror = {abs(along_rows), abs(along_columns)} <= {0.0, 0.5}
        rest = rest - (1 if is_own_mirror else 2) * (one * real + other * imaginary)
    return rest


def _lattice(window: Array, windows: int) -> list[tuple[int, int]]:
    """Upper left corners of the blocks that are looked at."""
    if min(window.shape[:2]) < 2 * BLOCK_PIXELS:
        return []
    most = max(2, round(np.sqrt(BLOCKS / windows)))
    starts = [np.linspace(0, n - BLOCK_PIXELS, min(most, 2 * n // BLOCK_PIXELS)).astype(int).tolist() for n in window.shape[:2]]
    return [(top, left) for top in starts[0] for left in starts[1]]


def _mean_free_powers(blocks: Array) -> Array:
    """Sums over blocks (N, BLOCK_PIXELS, BLOCK_PIXELS) of their Fourier powers without their means, (BLOCK_PIXELS, BLOCK_PIXELS / 2 + 1).

    By products of matrices, which take half the time of fast transforms of so small blocks.
    """
    along, across, taper = _fourier()
    tapered = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * taper
    rows = (tapered.reshape(-1, BLOCK_PIXELS) @ along).reshape(len(blocks), BLOCK_PIXELS, -1)
    both = across @ rows  # (N, 2·BLOCK_PIXELS, BLOCK_PIXELS + 2)
    count = BLOCK_PIXELS // 2 + 1
    cosines, sines = both[:, :BLOCK_PIXELS], both[:, BLOCK_PIXELS:]
    real, imaginary = cosines[..., :count] - sines[..., count:], cosines[..., count:] + sines[..., :count]
    powers: Array = np.square(real).sum(axis=0) + np.square(imaginary).sum(axis=0)
    return powers


@lru_cache
def _fourier() -> tuple[Array, Array, Array]:
    """Cosines and sines along rows (BLOCK_PIXELS, BLOCK_PIXELS + 2) and along columns (2·BLOCK_PIXELS, BLOCK_PIXELS), and a taper."""
    place = np.arange(BLOCK_PIXELS)
    phase = 2 * np.pi * np.outer(place, place) / BLOCK_PIXELS
    half = phase[:, : BLOCK_PIXELS // 2 + 1]
    along = np.concatenate([np.cos(half), np.sin(half)], axis=1)
    across = np.concatenate([np.cos(phase), np.sin(phase)])
    taper = np.hanning(BLOCK_PIXELS + 1)[:BLOCK_PIXELS]
    return along.astype(np.float32), across.astype(np.float32), (taper[:, None] * taper).astype(np.float32)


def _peaks(power: Array) -> list[Frequency]:
    """Of a power spectrum (BLOCK_PIXELS, BLOCK_PIXELS) with the mean in the middle."""
    near = _neighbours(power, 3)
    middle = BLOCK_PIXELS // 2
    rows, columns = np.indices(power.shape) - middle
    fine = np.hypot(rows, columns) >= COARSE
    own_mirror = (rows % middle == 0) & (columns % middle == 0)
    first_of_pair = own_mirror | (columns > 0) | ((columns == 0) & (rows > 0)) | ((columns == -middle) & (rows > 0))
    held = near.sum(axis=(2, 3)) * np.where(own_mirror, 1, 2)
    found = fine & first_of_pair & (held > SHARE * power[fine].sum()) & (power >= near.max(axis=(2, 3)))
    places = np.argwhere(found)  # few, so that medians of their neighbours cost little
    around = _neighbours(power, AROUND)[tuple(places.T)]
    places = places[power[tuple(places.T)] > PEAK * np.array([np.median(each) for each in around])]
    places = places[np.argsort(-power[tuple(places.T)], kind="stable")][:MOST]
    return [((int(y) - middle) / BLOCK_PIXELS, (int(x) - middle) / BLOCK_PIXELS) for y, x in places]


def _neighbours(power: Array, side: int) -> Array:
    """(H, W) → (H, W, side, side), the spectrum being periodic."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(power, side // 2, mode="wrap"), (side, side))
