"""The transfer function of a grey 8-bit picture, linear or display, as its noise tells.

The file does not say it. Photographs are coded about as sRGB is, and microscopes write what they counted. Photon noise
grows with the square root of brightness: in linear values it is twice as strong where a picture is four times as
bright. The display curve more than evens that out. Noise of one strength everywhere, such as an amplifier's, lies
between the two.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from array_api_compat import device

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed
from unnoise.photometry.array_ops import average_pool, convolve, quantile
from unnoise.regions import RegionSource

BLOCK_PIXELS = 8
"""Side in pixels of the blocks in which noise and brightness are measured."""
BINS = 8
"""Of brightness, each of at least `MIN_BLOCKS` blocks."""
MIN_BLOCKS = 32
QUIET_QUANTILE = 0.25
"""Quantile of the blocks of one brightness, by how much changes in them, that holds noise alone."""
UNCLIPPED_RANGE = 0.02, 0.9
"""Brightness of blocks that black and white leave alone."""
MIN_LOG_SPREAD = 0.045
"""Standard deviation of the logarithm of brightness from which on a slope can be told."""
LINEAR_EXPONENT = 0.38
"""Least exponent of noise by brightness for linear values. Photon noise has 0.5; simulated counts have 0.41 to 0.66.
White noise has up to 0.33. Nine of ten gray photographs of SIDD and PolyU have less than 0.4."""


def is_linear(view: RegionSource) -> bool:
    """Whether the noise of a picture grows with brightness as that of light does. False also where this cannot be told.

    >>> import numpy as np
    >>> is_linear(RegionSource.of(np.full((1, 1, 32, 32), 0.5, np.float32)))
    False
    """
    brightness, noise = _blocks(view.sample_windows())
    count = brightness.shape[0]
    if count < 2 * MIN_BLOCKS:
        return False
    xp = array_namespace(brightness)
    bins = _split(xp.argsort(brightness, stable=True), min(BINS, count // MIN_BLOCKS))
    x = xp.log(xp.stack([xp.mean(xp.take(brightness, chosen)) for chosen in bins]))
    y = xp.stack([quantile(xp.take(noise, chosen), QUIET_QUANTILE) for chosen in bins])
    if not bool(xp.all(y > 0)) or float(xp.std(x, correction=0)) < MIN_LOG_SPREAD:
        return False
    x = x - xp.mean(x)
    return bool(xp.mean(x * xp.log(y)) / xp.mean(xp.square(x)) > LINEAR_EXPONENT)


def _split(x: Any, parts: int) -> list[Any]:
    """Split (n,) into parts of equal length; the first ones are longer by one where the length does not divide."""
    length, longer = divmod(x.shape[0], parts)
    ends = [number * length + min(number, longer) for number in range(parts + 1)]
    return [x[start:stop] for start, stop in pairwise(ends)]


def _blocks(windows: list[Any]) -> tuple[Any, Any]:
    """Brightness of the blocks of all windows (1, C, h, w), and how strongly neighbouring pixels differ in them; (n,) each."""
    xp, place = array_namespace(*windows), device(windows[0])
    second = xp.asarray([1.0, -2.0, 1.0], dtype=xp.float32, device=place)  # blind to slopes
    kernel = second[:, None] * second
    found = [xp.zeros((2, 0), dtype=xp.float32, device=place)]
    for window in windows:
        planes = xp.reshape(window, (-1, 1, *window.shape[-2:]))  # (C, 1, h, w)
        if min(planes.shape[-2:]) < BLOCK_PIXELS + 2:
            continue
        changes = abs(convolve(planes, kernel))
        pooled = (average_pool(x, BLOCK_PIXELS, partial=False) for x in (planes[..., 1:-1, 1:-1], changes))
        found.append(xp.stack([xp.reshape(x, (-1,)) for x in pooled]))
    told = xp.concat(found, axis=-1)
    brightness, noise = told[0, :], told[1, :]
    inside = (brightness > UNCLIPPED_RANGE[0]) & (brightness < UNCLIPPED_RANGE[1])
    return brightness[inside], noise[inside]


__getattr__ = renamed(__name__, {"is_in_proportion": "is_linear"})
