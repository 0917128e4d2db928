"""Whether a picture of few values holds counts of photons, and is no mask, label image or dither.

Photons fall independently of each other. So two neighbors differ as much as pixels that lie four apart, or at least
as much as their mean demands: the variogram of counts has a nugget (Matheron, "Principles of geostatistics", 1963). In
a mask neighbors are mostly equal, and pixels further apart are not. Thin lines and dots are known by their pairs: next
to a photon there are as many others as four pixels away.

The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.regions import RegionSource

Array = NDArray[Any]

STRIP_PIXELS = 2**20
"""Approximate number of pixels that are read at a time."""
DISTANCES_PIXELS = (1, 2, 4)
"""Distances of the pixels that are compared, along rows and along columns."""
MAX_RISE, MAX_FALL = 1.25, 0.9
"""The mean square difference at the larger distances, as a share of that of neighbors. Masks double it at two pixels."""
MIN_NUGGET, MAX_NUGGET = 0.8, 1.4
"""Half the mean square difference of neighbors, as a share of the mean. Poisson counts have 1, and more by structure."""
MAX_PAIR_RATIO, MAX_PAIR_RATIO_OF_SEVERAL = 1.5, 2.5
"""Pairs of photons that are neighbors, for each pair four pixels apart, or the reverse: if there are two values, as in a mask, and if
there are more. Small spots bring photons together."""
CHANCE_SIGMAS = 4.0
"""Chance may add so many of its standard deviations."""
MIN_PAIRS = 50
"""Fewer pairs of photons tell nothing."""
EVEN_SHARE = 0.01
"""Counts are multiples of one step, to this share of it."""
EIGHT_BIT_STEP = 1 / 255
MOST_COUNTS = 256
"""Pictures with more different values are not asked whether they hold counts: they have photons enough."""


def photon_value(values: Array) -> float | None:
    """The value of one photon, if these values are multiples of the lowest one above 0.

    In 8 bits a photon may be several steps, and no whole number of them. Then its multiples are rounded, and all that
    is brighter than white is white.

    Args:
        values: all values of a picture, different ones in rising order. Those of 8 bits are in 0..1.

    >>> photon_value(np.array([0.0, 3.0, 9.0]))
    3.0
    >>> round(255 * photon_value(np.array([0, 41, 82, 122, 163, 255]) / 255), 1)  # the last one is white
    40.8
    >>> photon_value(np.array([0.0, 2.0, 3.0])) is None
    True
    """
    if len(values) < 2 or values[0] != 0:
        return None
    codes = values / EIGHT_BIT_STEP
    is_rounded = values[-1] <= 1 and bool(abs(codes - codes.round()).max() < EVEN_SHARE)
    slack = EIGHT_BIT_STEP / 2 if is_rounded else 0.0
    if is_rounded and values[-1] == 1 and len(values) > 2:
        values = values[:-1]
    low, high = values[1] - slack, values[1] + slack
    for value in values[2:]:
        number = np.rint(2 * value / (low + high))
        off = slack + EVEN_SHARE * values[1]
        low, high = max(low, (value - off) / number), min(high, (value + off) / number)
        if low > high:
            return None
    return float(low + high) / 2 if is_rounded else float(values[1])


def are_photon_counts(view: RegionSource, values: Array) -> bool:
    """Whether few-valued pixels are counts.

    Args:
        view: (1, 1, H, W), which is read strip by strip.
        values: all its values, in rising order.

    Returns:
        False also where too few photons tell nothing.

    >>> counts = np.random.default_rng(0).poisson(0.2, (1, 1, 96, 96)).astype(float)
    >>> are_photon_counts(RegionSource.of(counts), np.unique(counts))
    True
    """
    value = photon_value(values)
    if value is None:
        return False
    squares, products, numbers, photons = _sums(view, value)
    if photons == 0 or not np.all(numbers > 0) or not np.all(products >= MIN_PAIRS):
        return False
    variogram, pairs = squares / numbers, products / numbers  # (2, distances)
    slack = CHANCE_SIGMAS / np.sqrt(photons)
    ratio = variogram / variogram.mean(0).clip(1e-300)[0]  # to that of neighbors, of both directions
    nugget = variogram[:, 0] / (2 * photons / (view.size[0] * view.size[1]))
    is_poisson = nugget.min() > MIN_NUGGET and nugget.max() < MAX_NUGGET + slack
    if ratio.min() < MAX_FALL - slack or (ratio.max() > MAX_RISE + slack and not is_poisson):
        return False
    near, far = pairs[:, 0], pairs[:, -1]
    most = (MAX_PAIR_RATIO_OF_SEVERAL if len(values) > 2 else MAX_PAIR_RATIO) + CHANCE_SIGMAS / np.sqrt(products.min())
    return bool(np.all(near <= most * far) and np.all(far <= most * near))


def _sums(view: RegionSource, step: float) -> tuple[Array, Array, Array, float]:
    """Sums of squared differences and of products of two pixels, and their number, for both directions and each
    distance; the sum of all counts."""
    height, width = view.size
    squares, products, numbers = (np.zeros((2, len(DISTANCES_PIXELS))) for _ in range(3))
    photons = 0.0
    most = max(1, STRIP_PIXELS // width)
    for top in range(0, height, most):
        part = view.read(slice(top, min(top + most + max(DISTANCES_PIXELS), height)), slice(0, width))
        x = (part.double().cpu().numpy() if is_torch_array(part) else np.asarray(part, np.float64))[0, 0] / step
        own = min(most, height - top)  # the rows below belong to the next strip
        photons += float(x[:own].sum())
        for place, distance in enumerate(DISTANCES_PIXELS):
            below = min(own, len(x) - distance)
            for axis, (one, other) in enumerate(
                ((x[:own, :-distance], x[:own, distance:]), (x[:below], x[distance : distance + below]))
            ):
                squares[axis, place] += np.square(one - other).sum()
                products[axis, place] += (one * other).sum()
                numbers[axis, place] += one.size
    return squares, products, numbers, photons
