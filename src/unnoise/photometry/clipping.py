"""Clipping: where black and white cut noise off, and where zero is a count like any other.

A detector whose values end at 0 shows half of the noise in the dark. A mean is right only if it allows for the missing
half. But where photons are counted, 0 is a true value: at a mean of one photon, a third of the pixels have none. If
these counted as clipped, a faint picture would lose nine tenths of its light. Counts tell themselves: at a mean of m
photons the share exp(−m) is 0, and clipped noise has many more zeros than that. Values below 0 say that nothing was
clipped.

Regions that are clipped all around stay as they are: they hold no noise to remove and nothing to guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed
from unnoise.photometry.array_ops import T, average_pool, clip, copy, median
from unnoise.regions import RegionSource

BLOCK_PIXELS = 8
"""Side in pixels of the blocks whose means are compared with their zeros."""
SMALLEST = 0.001
"""Quantile of the positive values that is taken for one photon."""
MANY = 2.0
"""Zeros are too many where they exceed those of counts by this factor."""
LOPSIDED = 0.62
"""Square of the ratio of spread to mean of positive values. Noise that black clips has at most 0.57, the value of half a Gaussian.
Few photons with an amplifier's noise have more. Their mean needs no correction."""
POSITIVE = 8
"""Least number of positive values from which a block's spread is measured."""
REACH_PIXELS = 2
"""Pixels to each side that must be clipped for a pixel to stay as it is."""


@dataclass(frozen=True)
class Clipping:
    """Whether noise is missing at black, 0, and at white, 1, as values reach no further.

    >>> Clipping(black=True, white=False).white
    False
    """

    black: bool = True
    white: bool = True


BOTH_ENDS = Clipping()
"""As it is in photographs."""
NO_CLIPPING = Clipping(black=False, white=False)
"""As it is where values may lie beyond black and white."""


def measure_clipping(view: RegionSource) -> Clipping:
    """Of a measurement, told from windows of it.

    >>> import numpy as np
    >>> view = RegionSource.of(np.random.default_rng(0).uniform(0.4, 0.6, (1, 1, 64, 64)).astype(np.float32))
    >>> measure_clipping(view).black
    False
    """
    windows = view.sample_windows()
    xp = array_namespace(*windows)
    lowest, highest = min(float(xp.min(x)) for x in windows), max(float(xp.max(x)) for x in windows)
    return Clipping(black=lowest >= 0 and _has_too_many_zeros(windows), white=highest <= 1)


def _has_too_many_zeros(windows: list[Any]) -> bool:
    """For counts; looked at in the darker half of the blocks, where the stars of a dark sky are not."""
    xp = array_namespace(*windows)
    means, zeros = (_block_means(x) for x in (windows, [xp.astype(x <= 0, x.dtype) for x in windows]))
    positive = xp.concat([xp.reshape(x, (-1,)) for x in windows])
    positive = positive[positive > 0]
    if not positive.shape[0]:
        return False
    photon = xp.sort(positive)[int(SMALLEST * positive.shape[0])]
    dark = means <= median(means)
    few = xp.mean(zeros[dark]) <= MANY * xp.mean(xp.exp(-means[dark] / photon))
    return not bool(few) and not _is_lopsided(windows, dark)


def _is_lopsided(windows: list[Any], dark: Any) -> bool:
    xp = array_namespace(*windows)
    share = _block_means([xp.astype(x > 0, x.dtype) for x in windows])[dark]
    total = _block_means([clip(x, 0) for x in windows])[dark]
    squares = _block_means([xp.square(clip(x, 0)) for x in windows])[dark]
    enough = share >= POSITIVE / BLOCK_PIXELS**2
    if not bool(xp.any(enough)):
        return False
    spread = squares * share / clip(xp.square(total), 1e-30) - 1
    return bool(median(spread[enough]) > LOPSIDED)


def _block_means(windows: list[Any]) -> Any:
    xp = array_namespace(*windows)
    return xp.concat([xp.reshape(average_pool(x, BLOCK_PIXELS), (-1,)) for x in windows])


def find_clipped(noisy: T, cut: Clipping = BOTH_ENDS) -> T:
    """Where a channel is exactly 0, or exactly 1, throughout the 5 × 5 pixels around; (B, C, H, W) each.

    Where `cut` says that 0 is a value like any other, as where photons are counted, it is none of these.

    What lies beyond the picture does not count. Where noise is only often clipped, 25 pixels together seldom are. The mean that a
    network gives there differs from black by less than a twentieth of the noise's level.

    >>> import numpy as np
    >>> int(find_clipped(np.zeros((1, 1, 4, 4))).sum())
    16
    """
    xp: Any = array_namespace(noisy)
    found: Any = None
    for value, cuts in ((0.0, cut.black), (1.0, cut.white)):
        if not cuts:
            continue
        here = noisy == value
        if bool(xp.any(here)):
            inside = ~_near(_near(~here, -2), -1)
            found = inside if found is None else found | inside
    return xp.zeros_like(noisy, dtype=xp.bool) if found is None else found


def keep_clipped(noisy: T, restored: T, where: T) -> T:
    """`restored`, but as `noisy` is `where` that is `find_clipped`; (B, C, H, W) each. Most pictures need no copy for it.

    >>> import numpy as np
    >>> noisy, restored = np.zeros((1, 1, 1, 2), np.float32), np.ones((1, 1, 1, 2), np.float32)
    >>> keep_clipped(noisy, restored, np.array([[[[True, False]]]]))
    array([[[[0., 1.]]]], dtype=float32)
    """
    xp: Any = array_namespace(noisy)
    return xp.where(where, noisy, restored) if bool(xp.any(where)) else restored


def _near(x: Any, axis: int) -> Any:
    """Whether x is true in a place or up to `REACH_PIXELS` pixels away along `axis`, -1 or -2."""
    result, length = copy(x), x.shape[axis]
    rest = (slice(None),) * (-1 - axis)
    for distance in range(1, min(REACH_PIXELS, length - 1) + 1):
        first, last = (..., slice(length - distance), *rest), (..., slice(distance, length), *rest)
        result[first] |= x[last]
        result[last] |= x[first]
    return result


__getattr__ = renamed(__name__, {"Cut": "Clipping", "cut_of": "measure_clipping"})
