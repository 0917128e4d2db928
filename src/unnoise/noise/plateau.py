"""Which frequencies of a picture's quietest patches hold noise, and which hold structure that is everywhere.

Sort the patches of a picture by what varies in them. If the quietest ones hold noise alone, they are all alike: a plateau. Where
there is no plain place, as in grass, fur or gravel, each quieter patch holds less than the one before. So we compare two groups: the
quietest 2.5 % of the patches, and those from 5 to 10 %. They are sorted by one half of the frequencies and compared at the other, as
otherwise chance alone would make a difference (see `flat_patches`).

Cameras that smooth noise away leave more of it in textures than in plain places. There is no plateau then, though what is there is
noise. It is known by its spectrum: nothing is left at the highest frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.flat_patches import PatchSpectra
from unnoise.noise.frequency_bands import bands, sum_of_bands
from unnoise.noise.groups import mean_of_rows, median

Array = NDArray[Any]
Floats = NDArray[np.float64]

QUIETEST = 0.0, 0.025
QUIET = 0.05, 0.1
"""Groups of patches that are compared, as quantiles."""
FEWEST = 6
"""Patches of a group, at least."""
OUTLIER = 1.6
"""Patches with more than this many times the median power hold structure in one half of the frequencies alone: straight edges."""
NONE, FULL = 0.80, 0.88
"""Ratios of the groups' powers below which there is no plateau, and above which there is one. Phones' noise: 0.83 to 1.1. Grass and
gravel: 0.5 to 0.8."""
NONE_COARSE, FULL_COARSE = 0.70, 0.80
"""The same in the lowest band, which has few frequencies."""
INSIDE = 0.03
"""PatchSpectra with a smaller share of cut-off pixels are compared, if there are at least `ENOUGH`."""
ENOUGH = 200
HIGHEST = 11
"""Index of the highest frequencies, from here on."""
SMOOTHED = 0.17, 0.13
"""Level at the highest frequencies against that at low ones: above the first no camera smoothed, below the second one did."""
SMOOTHED_FINE = 0.9 / 255, 0.6 / 255
"""Standard deviation at the highest frequencies: above the first it is not what rounding leaves of smoothed noise."""
SMOOTHED_LEVEL = 10 / 255, 6 / 255
"""Standard deviation of the whole: above the first it is too much for what smoothing leaves."""


@dataclass(frozen=True)
class Plateaus:
    """What is known of each band, the lowest first.

    >>> round(Plateaus(np.array([0.0, 0.5, 1.0]), smoothed=1.0).doubt, 2)
    0.25
    """

    trust: Floats
    """(bands,), 0..1: how sure it is that quiet patches hold noise alone."""
    smoothed: float
    """0..1: whether the noise looks smoothed by a camera."""

    @property
    def doubt(self) -> float:
        """How likely there is more noise in textures than in plain places."""
        return self.smoothed * float(1 - self.trust[1:].mean())

    @property
    def coarse_trust(self) -> float:
        """How sure it is that the lowest band holds noise."""
        return max(float(self.trust[0]), self.smoothed)


def plateaus(patches: PatchSpectra, level: Array, shapes: Array) -> Plateaus:
    """Compare the groups of patches.

    Args:
        patches: of the picture.
        level: (P, C), the variance of noise at each patch's brightness, in units of `shapes`.
        shapes: (C, PATCH_PIXELS, PATCH_PIXELS), the spectrum that was found.

    >>> from unnoise.noise.autocovariance import PATCH_PIXELS
    >>> powers = np.random.default_rng(0).chisquare(1, (4000, 1, PATCH_PIXELS, PATCH_PIXELS))  # white noise
    >>> patches = PatchSpectra(powers, np.full((4000, 1), 0.5), np.zeros((4000, 1)))
    >>> found = plateaus(patches, np.ones((4000, 1)), np.ones((1, PATCH_PIXELS, PATCH_PIXELS)))
    >>> bool((found.trust > 0.9).all())
    True
    """
    inside = np.flatnonzero((patches.cut <= INSIDE).all(axis=1))
    if len(inside) < ENOUGH:
        inside = np.arange(len(patches.means))
    held = patches.bands[inside]  # (P, C, 2, bands)
    held = (held / level[inside, :, None, None]).mean(axis=1)  # (P, 2, bands)
    energies = sum_of_bands(held)  # (P, 2)
    groups = np.zeros((held.shape[2], 2))
    for chosen, measured in ((0, 1), (1, 0)):
        order = np.argsort(energies[:, chosen], kind="stable")
        for number, quantiles in enumerate((QUIETEST, QUIET)):
            group = order[_group(len(order), quantiles)]
            own = energies[group, measured]
            groups[:, number] += mean_of_rows(held[group[own <= OUTLIER * median(own)], measured])
    ratio = groups[:, 0] / np.maximum(groups[:, 1], 1e-20)
    trust = np.clip((ratio - NONE) / (FULL - NONE), 0, 1)
    trust[0] = min(np.clip((ratio[0] - NONE_COARSE) / (FULL_COARSE - NONE_COARSE), 0, 1), trust[1])
    # texture falls off with frequency: where places are plain at one frequency, they are so at higher ones
    return Plateaus(np.maximum.accumulate(trust), _smoothed(level.mean(axis=0), shapes))


def believed(shapes: Array, found: Plateaus) -> Floats:
    """The spectrum as far as it is noise, (C, PATCH_PIXELS, PATCH_PIXELS).

    From the highest band down: what a band has more than the next higher one is noise as far as there is a plateau, or a camera has
    smoothed. So white noise is found below any structure.

    >>> falling = 1 / (2.0 + bands()[None])  # structure: more power at lower frequencies
    >>> kept = believed(falling, Plateaus(np.zeros(int(bands().max()) + 1), smoothed=0.0))
    >>> bool(np.ptp(kept[0][bands() >= 0]) < 1e-9)  # no band has more than the highest one
    True
    """
    share = np.maximum(found.trust, found.smoothed)
    measured = np.array([shapes[:, bands() == band].mean() for band in range(len(share))])
    lowered = np.asarray(shapes, np.float64).copy()
    above = 0.0
    for band in range(len(share) - 1, -1, -1):
        kept = above + max(measured[band] - above, 0) * share[band] if measured[band] > above else measured[band]
        lowered[:, bands() == band] *= kept / max(measured[band], 1e-20)
        above = kept
    return lowered


def _group(count: int, quantiles: tuple[float, float]) -> slice:
    first = int(quantiles[0] * count)
    return slice(first, max(int(quantiles[1] * count), first + FEWEST))


def _smoothed(level: Array, shapes: Array) -> float:
    """Whether the noise looks smoothed by a camera; `level` (C,)."""
    low = np.mean([shapes[:, bands() == band].mean() for band in range(3)])
    highest = shapes[:, HIGHEST:, HIGHEST:].mean(axis=(1, 2))
    ratio = np.sqrt(highest.mean() / max(low, 1e-20))
    share = 1.0
    for value, (none, full) in (
        (ratio, SMOOTHED),
        (np.sqrt((highest * level).mean()), SMOOTHED_FINE),
        (np.sqrt(level.mean()), SMOOTHED_LEVEL),
    ):
        share *= float(np.clip((none - value) / (none - full), 0, 1))
    return share
