"""Colors at which nearly all patches of a picture are equally noisy. What such patches hold is noise.

Where patches of one color hold structure, some hold far more than others. Noise is the same in all of them. So patches
are grouped by color, and the quiet ones of a group are compared with its busy ones. Photographs of skies, walls and
cloth out of focus have ratios of 0.8 to 1. Brick, grass, gravel and text have 0.05 to 0.77.

This tells noise in three cases in which the plainest patches of a brightness do not:

- A color matrix or white balance amplifies a channel, so that saturated colors are noisier than gray.
- Black cuts off the noise of dark patches, so that they are the plainest ones, and their noise is weaker and whiter.
- A channel is cut off nearly everywhere, while the others show their noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.flat_patches import PatchSpectra
from unnoise.noise.frequency_bands import band_powers, band_sizes, sum_of_bands
from unnoise.noise.groups import mean_of_rows, median
from unnoise.noise.plateau import INSIDE, OUTLIER

Array = NDArray[Any]

GROUP_PATCHES = 120
"""Groups of twice as many patches are divided."""
MIN_PATCHES = 40
"""Smaller groups tell nothing."""
MAX_CUT_SHARE = 0.35
"""Channels with a larger share of cut-off pixels do not count in a group."""
QUIET = 0.0, 0.2
BUSY = 0.6, 0.8
"""The patches that are compared, as quantiles of their power."""
UNIFORM_RATIO = 0.8
"""Ratio of the powers of both from which on a group is uniform."""
ENOUGH_SHARE = 0.1, 0.3
"""Share of the patches in uniform groups: up to the first nothing is told of the whole picture, from the second on all."""
MAX_GAIN = 4.0, 40.0
"""A group with more than this many times the expected power holds structure. The first applies if few groups are uniform,
the second if many are."""
MAX_BENT = 6.0
"""By how much more a group may have at one band than at a finer one, relative to the quietest group. Edges have more at coarse
frequencies, and weaves at their own."""
MAX_SPREAD = 0.08
"""A group whose patches differ more in color, as a standard deviation, is not of one color: an edge runs through them."""
MAX_AMPLIFIED = 12.0
"""Variance of a group's noisiest channel, in units of the median of all groups. More is an edge, or a pattern."""
MAX_UNTOLD = 3.0
"""Largest variance of groups that are not uniform, in units of that of the noisiest uniform one, as far as these are trusted."""
COLOR_SIGMA = 0.05
"""How far a group's color reaches, as a standard deviation of values in 0..1."""


@dataclass(frozen=True)
class UniformColors:
    """What the groups tell, with B bands of frequencies as in `plateau`.

    >>> found = UniformColors(np.array([[1.0, 0.0]]), np.array([[4.0, 1.0]]), np.ones((2, 1)), trust=1.0)
    >>> found.gain_at(np.array([[1.0, 0.0]]))  # the first channel of this color has four times the expected variance
    array([[4., 1.]])
    """

    colors: Array
    """(K, C): the mean color of each group, in 0..1."""
    gains: Array
    """(K, C): variance of each group's noise relative to what was expected, 1 where it is not known."""
    tilt: Array
    """(C, B): by what the power of each band is to be multiplied, for the whole picture. The mean stays as it is."""
    trust: float
    """0..1: how sure it is that noise was measured at all frequencies."""

    def gain_at(self, colors: Array) -> Array:
        """The gain for each color, (N, C) in 0..1 → (N, C)."""
        if np.allclose(self.gains, 1):
            return np.ones_like(colors)
        distance = np.zeros((len(colors), len(self.colors)), np.result_type(colors, self.colors))  # (N, K)
        for channel in range(colors.shape[1]):  # a tenth of the time of NumPy's sum along a short axis
            distance += (colors[:, channel, None] - self.colors[:, channel]) ** 2
        distance /= 2 * COLOR_SIGMA**2
        weights = np.exp(distance.min(axis=1, keepdims=True) - distance)
        return weights @ self.gains / weights.sum(axis=1, keepdims=True)


def uniform_colors(patches: PatchSpectra, level: Array, shapes: Array) -> UniformColors:
    """Find groups of one color whose patches are equally noisy, and measure their noise.

    Args:
        patches: of the picture, also those with channels that are cut off.
        level: (P, C), the variance that is expected at each patch, in units of `shapes`.
        shapes: (C, PATCH_PIXELS, PATCH_PIXELS), the spectrum that is expected.

    >>> shapes = np.ones((1, 16, 16))
    >>> generator = np.random.default_rng(0)
    >>> powers = 2 * generator.chisquare(1, (2000, 1, 16, 16))  # twice the expected variance
    >>> patches = PatchSpectra(powers, np.full((2000, 1), 0.5), np.zeros((2000, 1)))
    >>> bool(abs(uniform_colors(patches, np.ones((2000, 1)), shapes).gains.mean() - 2) < 0.3)
    True
    """
    channels = patches.means.shape[1]
    sizes = band_sizes()  # (2, B)
    expected = band_powers(shapes[None])[0]  # (C, 2, B)
    relative = patches.bands / (level[:, :, None, None] * np.maximum(expected, 1e-20))  # (P, C, 2, B)
    weights = sizes[:, 1:] / sizes[:, 1:].sum(axis=1, keepdims=True)  # the lowest band holds shades too
    energies = sum_of_bands(relative[..., 1:] * weights)  # (P, C, 2)
    groups = _groups(patches.means)
    colors, gains = np.stack([patches.means[group].mean(axis=0) for group in groups]), np.ones((len(groups), channels))
    found = {}
    for number, group in enumerate(groups):
        used = patches.cut[group].mean(axis=0) <= MAX_CUT_SHARE
        is_told = len(group) >= MIN_PATCHES and used.any() and patches.means[group].std(axis=0).max() <= MAX_SPREAD
        power = _measure(relative[group], energies[group], used) if is_told else None
        if power is not None:
            found[number] = used, power
    trust = _trust(len(groups[number]) / len(patches.means) for number in found)
    variances = level * (expected[..., 1:].sum(axis=1) * weights.mean(axis=0) / sizes[:, 1:].sum(axis=0)).sum(axis=1)  # (P, C)
    limit = MAX_GAIN[0] * (MAX_GAIN[1] / MAX_GAIN[0]) ** trust
    shares, tilts = [], []
    kept = _noise_alone(
        {
            number: (
                patches.cut[groups[number]].mean(axis=0),
                used,
                power[:, 1:],
                level[groups[number]].mean(axis=0)[:, None] * expected.sum(axis=1)[:, 1:] / sizes.sum(axis=0)[1:],
            )
            for number, (used, power) in found.items()
        }
    )
    for number in kept:
        used, power = found[number]
        gain = (power[:, 1:] * weights.mean(axis=0)).sum(axis=1)  # (C,)
        if gain[used].max() >= limit:
            continue
        gains[number] = np.where(used, gain, min(gain[used].max(), 1))  # what is cut off is no noisier than the others
        tilts.append(np.where(used[:, None], power / np.maximum(gain, 1e-20)[:, None], np.nan))
        shares.append(len(groups[number]) / len(patches.means))
    trust = _trust(shares)
    if kept:  # places that could not be told are not much noisier than those that could
        told = np.array([(gains[number] * variances[groups[number]].mean(axis=0))[found[number][0]].max() for number in kept])
        for number in set(range(len(groups))) - set(kept):
            most = MAX_UNTOLD * told.max() / np.maximum(variances[groups[number]].mean(axis=0), 1e-20)
            gains[number] = np.minimum(1, most**trust)
    tilt = np.ones((channels, sizes.shape[1]))
    if trust > 0:
        bent = np.array(tilts)  # (groups, C, B)
        told = ~np.isnan(bent) * np.array(shares)[:, None, None]
        mean = (np.nan_to_num(bent) * told).sum(axis=0) / np.maximum(told.sum(axis=0), 1e-20)
        tilt = np.where(told.sum(axis=0) > 0, 1 + trust * (mean - 1), 1.0)
    return UniformColors(colors, gains, tilt, trust)


def _trust(shares: Iterable[float]) -> float:
    """How sure it is that groups of these shares of the patches show the noise of the picture, 0..1."""
    return float(np.clip((sum(shares) - ENOUGH_SHARE[0]) / (ENOUGH_SHARE[1] - ENOUGH_SHARE[0]), 0, 1))


def _noise_alone(groups: dict[int, tuple[Array, Array, Array, Array]]) -> list[int]:
    """The groups that hold no edge and no pattern, of those with shares of cut-off pixels (C,), used channels (C,), powers relative to
    the expected ones (C, B), and the expected powers (C, B)."""
    if not groups:
        return []
    cut, used, powers, expected = (np.stack(each) for each in zip(*groups.values(), strict=True))
    held = powers * expected  # (G, C, B)
    heights = np.where(used, held.mean(axis=2), 0).max(axis=1)
    inside = np.where(cut <= INSIDE, held.mean(axis=2), np.inf)  # (G, C)
    quietest = held[inside.argmin(axis=0), np.arange(held.shape[1])]  # (C, B)
    beyond = held / np.maximum(quietest, 1e-20)
    finer = np.minimum.accumulate(beyond[..., ::-1], axis=2)[..., ::-1]  # the least of each band and of all finer ones
    bent = (
        ((beyond / np.maximum(finer, 1e-20)).max(axis=2) > MAX_BENT)
        & (beyond.mean(axis=2) > 1)
        & np.isfinite(inside.min(axis=0))
    )
    kept = ~(used & bent).any(axis=1) & (heights <= MAX_AMPLIFIED * np.median(heights))
    return [number for number, own in zip(groups, kept, strict=True) if own]


def _measure(relative: Array, energies: Array, used: Array) -> Array | None:
    """The power in each channel and band, (C, B), of a group with (P, C, 2, B) powers; None: it is not uniform.

    Patches are chosen by one half of the frequencies and measured by the other.
    """
    told = energies[:, used].mean(axis=1)  # (P, 2)
    power = np.zeros(relative.shape[1::2])
    quiet, busy = np.zeros((2, relative.shape[3])), np.zeros((2, relative.shape[3]))
    for chosen, measured in ((0, 1), (1, 0)):
        order = np.argsort(told[:, chosen], kind="stable")
        parts = []
        for quantiles in (QUIET, BUSY):
            part = order[int(quantiles[0] * len(order)) : int(quantiles[1] * len(order))]
            own = told[part, measured]
            parts.append(mean_of_rows(relative[part[own <= OUTLIER * median(own)], :, measured]))  # (C, B)
        power += parts[0] / 2
        quiet[measured], busy[measured] = (part[used].mean(axis=0) for part in parts)
    ratio = (quiet.mean(axis=0) / np.maximum(busy.mean(axis=0), 1e-20))[1:].mean()
    return power if ratio >= UNIFORM_RATIO else None


def _groups(colors: Array) -> list[NDArray[np.int64]]:
    """Indices of patches of similar color: halved at the median of the channel that varies most, until they are small."""
    waiting, groups = [np.arange(len(colors))], []
    while waiting:
        group = waiting.pop()
        if len(group) < 2 * GROUP_PATCHES:
            groups.append(group)
            continue
        own = colors[group]
        order = group[np.argsort(own[:, own.var(axis=0).argmax()], kind="stable")]
        waiting += np.array_split(order, 2)
    return groups
