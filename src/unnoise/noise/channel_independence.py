"""Whether the channels of an RGB picture are no colors, as in composites of fluorescence microscopy.

Each channel of such a composite was recorded by itself. So its noise has nothing in common with that of the others, and
neither has its structure, which shines on dark ground. In photographs a camera mixes the noise of its colors
(demosaicing, white balance, JPEG), and edges appear in all colors. Photographs to which somebody added noise have at
least the edges in common.

The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.regions import RegionSource

Array = NDArray[Any]

MAX_NOISE_CORRELATION = 0.12
"""Highest correlation of two channels' noise. It is at least 0.28 in the photographs of SIDD, PolyU and DND."""
CLEAR_NOISE_CORRELATION = 0.25
"""A higher correlation in `GLANCE_PIXELS` × `GLANCE_PIXELS` pixels alone decides that channels are colors."""
GLANCE_PIXELS = 96
MAX_STRUCTURE_CORRELATION = 0.5
"""Highest correlation of two channels' structure."""
MIN_STRUCTURE_SHARE = 0.6
"""Share of the variance between blocks that structure must have in each channel. Else nothing can be told of it."""
DARK_SHARE = 0.45
"""The median of each channel lies in this lower part of its range: dyes shine on dark ground."""
BLOCK_PIXELS = 8
"""Side of the blocks whose means show the structure, in pixels."""
MIN_BLOCKS = 64
"""Fewer blocks tell nothing."""
CLIPPED_SHARE = 0.02
"""Share of the differences at either end that are limited, such as those at edges."""
QUANTILE_SAMPLES = 4000
"""About so many differences tell the limits of this share."""


def are_independent(view: RegionSource) -> bool:
    """Whether the channels of a picture have neither noise nor structure in common. Windows of it are examined.

    Args:
        view: (1, C, H, W) in any values. Channels without any variation do not count.

    Returns:
        False also if it cannot be told.

    >>> rng = np.random.default_rng(0)
    >>> colors = rng.normal(0.5, 0.1, (1, 3, 64, 64)) + rng.normal(0, 0.2, (1, 1, 8, 8)).repeat(8, -1).repeat(8, -2)
    >>> are_independent(RegionSource.of(colors))
    False
    """
    if _is_photograph(view):
        return False
    windows = [_as_float64(window)[0] for window in view.sample_windows()]  # (C, h, w) each
    varied = [channel for channel in range(len(windows[0])) if any(np.ptp(window[channel]) > 0 for window in windows)]
    if len(varied) < 2 or min(windows[0].shape[1:]) < 2 * BLOCK_PIXELS:
        return False
    windows = [window[varied] for window in windows]
    if _highest_pair(_noise_covariance(windows)) > MAX_NOISE_CORRELATION:
        return False
    structure, total, count = _structure(windows)
    shares = np.diag(structure) / np.maximum(total, 1e-300)
    if count < MIN_BLOCKS or shares.min() < MIN_STRUCTURE_SHARE:
        return False
    return _highest_pair(structure) < MAX_STRUCTURE_CORRELATION and _have_dark_ground(windows)


def _have_dark_ground(windows: list[Array]) -> bool:
    values = np.concatenate([x[:, ::3, ::3].reshape(len(x), -1) for x in windows], axis=1)  # (C, n)
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.995], axis=1)
    return bool(np.all(middle - low < DARK_SHARE * (high - low)))


def _middle(length: int) -> slice:
    size = min(length, GLANCE_PIXELS)
    return slice((length - size) // 2, (length - size) // 2 + size)


def _is_photograph(view: RegionSource) -> bool:
    """Whether noise in the middle of the picture clearly has something in common. This decides nearly all photographs."""
    rows, columns = (_middle(length) for length in view.size)
    middle = _as_float64(view.read(rows, columns))[0]
    return min(middle.shape[1:]) > 1 and _highest_pair(_noise_covariance([middle])) > CLEAR_NOISE_CORRELATION


def _as_float64(x: Any) -> Array:
    if is_torch_array(x):
        return np.asarray(x.double().cpu().numpy())
    return np.asarray(array_namespace(x).astype(x, array_namespace(x).float64))


def _noise_covariance(windows: list[Array]) -> Array:
    """The covariance of the finest differences, (C, C). They are blind to slopes, and to edges along rows and columns."""
    mixed = np.concatenate(
        [(x[:, 1:, 1:] - x[:, 1:, :-1] - x[:, :-1, 1:] + x[:, :-1, :-1]).reshape(len(x), -1) for x in windows], axis=1
    )
    some = mixed[:, :: max(1, mixed.shape[1] // QUANTILE_SAMPLES)]
    low, high = np.quantile(some, [CLIPPED_SHARE, 1 - CLIPPED_SHARE], axis=1, keepdims=True)
    mixed = np.clip(mixed, low, high)
    covariance: Array = mixed @ mixed.T / mixed.shape[1]
    return covariance


def _structure(windows: list[Array]) -> tuple[Array, Array, int]:
    """The covariance of what changes from block to block without noise, (C, C); its variance with noise, (C,); blocks.

    Each block has two means, of its pixels of either color of a chessboard. White noise is independent in them.
    """
    rows, columns = np.mgrid[:BLOCK_PIXELS, :BLOCK_PIXELS]
    board = (rows + columns) % 2 == 0
    halves: tuple[list[Array], list[Array]] = ([], [])
    for x in windows:
        high, wide = (length // BLOCK_PIXELS for length in x.shape[1:])
        blocks = x[:, : high * BLOCK_PIXELS, : wide * BLOCK_PIXELS].reshape(len(x), high, BLOCK_PIXELS, wide, BLOCK_PIXELS)
        blocks = blocks.swapaxes(2, 3)  # (C, rows of blocks, columns of blocks, BLOCK, BLOCK)
        for found, half in zip(halves, (board, ~board), strict=True):
            means = blocks[..., half].mean(-1)
            found += [np.diff(means, axis=axis).reshape(len(x), -1) for axis in (1, 2)]
    one, other = (np.concatenate(found, axis=1) for found in halves)
    shared = (one @ other.T + other @ one.T) / (2 * one.shape[1])
    return shared, (np.square(one).mean(1) + np.square(other).mean(1)) / 2, one.shape[1] // 2


def _highest_pair(covariance: Array) -> float:
    """The highest absolute correlation of two channels."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = abs(covariance / np.outer(scale, scale))
    np.fill_diagonal(correlation, 0)
    return float(correlation.max())
