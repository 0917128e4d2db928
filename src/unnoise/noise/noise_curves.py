"""Curves of noise by brightness, from the plainest patches of a picture, and what lowers or continues them.

A curve is a pair of arrays of one length: rising brightness, and the variance there in units of a spectrum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.channel_differences import WhiteNoise
from unnoise.noise.flat_patches import (
    IN_A_POINT,
    MAX_CLIPPED_SHARE,
    PatchSpectra,
    flattest_patches,
    groups_by_brightness,
    measure_channel,
)
from unnoise.noise.frequency_bands import band_means, bands, sum_of_bands
from unnoise.noise.groups import mean_of_rows, median
from unnoise.noise.plateau import OUTLIER

Array = NDArray[Any]
Curve = tuple[Array, Array]

FEWEST = 40
"""With fewer patches nothing can be told."""
TINY = 1e-14
FARTHEST = 3.0
"""Beyond the ends of the brightness curves, the variance is between 1/FARTHEST and FARTHEST times that of the last
point."""
APART = 0.03
"""A brightness counts as outside a curve when it is this far from the nearest point, with values in 0..1."""
GROUPS = 4
"""Points that are added at either end of a curve, at most."""
QUIET, NEXT_QUIET = (0.0, 0.1), (0.2, 0.4)
"""Two parts of the patches of such a point, as quantiles of their power."""
QUIETEST, NEXT_QUIETEST = (0.0, 0.05), (0.1, 0.2)
"""Two parts of the patches of any point, as quantiles of their power."""
TEXTURED, PLAIN = 0.7, 0.85
"""Ratio of the powers of both up to which a point's patches hold structure, and from which on they hold noise."""
PLATEAU = 0.6
"""Ratio of the powers of both from which on they hold noise."""
AMPLIFIED = 12.0
"""Largest variance of such a point, in units of the curve's largest. More is structure."""
MAX_TILT = 1.5
"""The variance of such a point is at most this many times what its band with the least tells. Edges have more at coarse frequencies."""
MOST_IN_WHITE = 1.15
"""Largest variance of a channel, in units of the white noise that the differences of channels show."""
MAX_ABOVE_PLAINEST = 1.4
"""Largest variance that differences of channels may tell, in units of that in the plainest patches."""
ROUNDS = 3
"""The level at each brightness tells which patches are plain, and these tell the level."""


def fit_plainest(patches: PatchSpectra, in_a_point: int = IN_A_POINT) -> tuple[Array, list[Curve], Array]:
    """The variance at each patch (P, C), curves of variance by brightness, and spectra (C, PATCH_PIXELS, PATCH_PIXELS).

    All are of the plainest patches. A point of a curve holds at least `in_a_point` of them from each half of the frequencies.

    >>> powers = np.random.default_rng(0).chisquare(1, (400, 1, 16, 16))  # white noise of variance 1
    >>> level, curves, spectra = fit_plainest(PatchSpectra(powers, np.full((400, 1), 0.5), np.zeros((400, 1))))
    >>> bool(abs(level.mean() * spectra.mean() - 1) < 0.1)
    True
    """
    count, channels = patches.means.shape
    energies, groups = patches.energies, groups_by_brightness(patches.means.mean(axis=1))
    level = np.broadcast_to(np.median(energies[0] + energies[1], axis=0) + TINY, (count, channels))
    for _ in range(ROUNDS):
        chosen = []
        for own, other in (energies, energies[::-1]):
            plain = flattest_patches(own / level, groups)
            measured = (other / level)[plain].mean(axis=1)
            chosen.append(plain[measured <= OUTLIER * median(measured)])  # a straight edge may lie in one half alone
        fitted = [measure_channel(patches, chosen, c, in_a_point) for c in range(channels)]
        curves = [(curve.brightness, curve.variance) for curve, _ in fitted]
        level = at_patches(curves, patches)
    curves = [_without_textured_points(patches, c, *curve) for c, curve in enumerate(curves)]
    level = at_patches(curves, patches)
    return level, curves, np.stack([shape for _, shape in fitted])


def _without_textured_points(patches: PatchSpectra, channel: int, brightness: Array, variance: Array) -> Curve:
    """A channel's curve with points lowered to their neighbours where all patches of a brightness hold structure.

    Noise makes the quietest patches of one brightness as loud as the next ones. Text and leaves do not.
    """
    if len(brightness) < 2:
        return brightness, variance
    nearest = np.searchsorted((brightness[1:] + brightness[:-1]) / 2, patches.means[:, channel])
    energies = sum_of_bands(patches.bands[:, channel, :, 1:])  # (P, 2)
    trust = np.ones(len(brightness))
    for point in range(len(brightness)):
        own = energies[nearest == point]
        if len(own) < FEWEST:
            continue
        told = np.zeros(2)
        for chosen in range(2):
            ranked = own[np.argsort(own[:, chosen], kind="stable"), 1 - chosen]
            told += [median(ranked[int(low * len(own)) : int(high * len(own)) + 4]) for low, high in (QUIETEST, NEXT_QUIETEST)]
        trust[point] = np.clip((told[0] / max(told[1], TINY) - TEXTURED) / (PLAIN - TEXTURED), 0, 1)
    plain = trust == 1
    if not plain.any():
        return brightness, variance
    around = np.interp(brightness, brightness[plain], variance[plain])
    return brightness, np.minimum(variance, variance**trust * around ** (1 - trust))


def agrees(white: WhiteNoise, patches: PatchSpectra, level: Array, shapes: Array) -> bool:
    """Whether no channel has less noise in its plainest patches than the differences of channels tell.

    Noise that two channels share, such as film grain, makes their difference smaller and the third channel's noise seem larger.

    >>> patches = PatchSpectra(np.ones((50, 3, 16, 16)), np.full((50, 3), 0.5), np.zeros((50, 3)))
    >>> white = WhiteNoise(np.array([[0.2, 0.8]] * 3), np.full((3, 2), 4.0))
    >>> agrees(white, patches, np.ones((50, 3)), np.ones((3, 16, 16)))  # four times as much as the plainest patches have
    False
    """
    power = shapes.mean(axis=(1, 2))  # (C,)
    for channel in range(patches.means.shape[1]):
        told = white.at(channel, patches.means[:, channel]).mean()
        if told > MAX_ABOVE_PLAINEST * (level[:, channel] * power[channel]).mean():
            return False
    return True


def without_texture(
    patches: PatchSpectra, level: Array, curves: list[Curve], shapes: Array, white: WhiteNoise | None
) -> tuple[Array, list[Curve], Array]:
    """What `fit_plainest` gives, where the differences of channels show white noise: no channel has more noise, at any frequency.

    >>> patches = PatchSpectra(np.ones((50, 1, 16, 16)), np.full((50, 1), 0.5), np.zeros((50, 1)))
    >>> fitted = np.full((50, 1), 9.0), [(np.array([0.5]), np.array([9.0]))], np.ones((1, 16, 16))
    >>> level, curves, shapes = without_texture(patches, *fitted, WhiteNoise(np.array([[0.5]]), np.array([[2.0]])))
    >>> round(float(level[0, 0] * shapes.mean()), 2)  # 15 % more than the white noise
    2.3
    """
    if white is None:
        return level, curves, shapes
    shapes, level, curves = shapes.copy(), level.copy(), list(curves)
    for channel, (brightness, variance) in enumerate(curves):
        most = MOST_IN_WHITE * white.at(channel, patches.means[:, channel])  # (P,)
        shapes[channel] = np.minimum(shapes[channel], np.median(most / level[:, channel]))
        power = shapes[channel].mean()
        curves[channel] = brightness, np.minimum(variance, MOST_IN_WHITE * white.at(channel, brightness) / power)
        level[:, channel] = np.minimum(level[:, channel], most / power)
    return level, curves, shapes


def at_patches(curves: list[Curve], patches: PatchSpectra) -> Array:
    """The variance of noise at each patch's brightness, (P, C).

    >>> patches = PatchSpectra(np.ones((2, 1, 16, 16)), np.array([[0.25], [0.5]]), np.zeros((2, 1)))
    >>> at_patches([(np.array([0.0, 1.0]), np.array([1.0, 3.0]))], patches).round(2)[:, 0]
    array([1.5, 2. ])
    """
    return np.stack([np.interp(patches.means[:, c], *curve) for c, curve in enumerate(curves)], axis=1) + TINY


def beyond_gray(patches: PatchSpectra, channel: int, curve: Curve, shape: Array, even: float) -> Curve:
    """A channel's curve, continued to brightnesses that only saturated colors have.

    The plainest patches of one brightness are mostly gray. Where a color matrix or white balance amplifies a channel, saturated
    colors are noisier, and none of them is among the plainest. So patches outside the curve are compared with one another. Where the
    quietest are about as loud as the next ones, they hold noise. Else the band with the least power beside the spectrum tells it,
    as texture falls off with frequency. Where the ratio of both is below `even`, nothing is told. No point lies below the nearest end of
    the curve.

    >>> powers = np.random.default_rng(0).chisquare(1, (200, 1, 16, 16))  # noise, and twice as much where it is bright
    >>> patches = PatchSpectra(2 * powers, np.full((200, 1), 0.9), np.zeros((200, 1)))
    >>> brightness, variance = beyond_gray(patches, 0, (np.array([0.5]), np.array([1.0])), np.ones((16, 16)), even=0.0)
    >>> bool(abs(variance[-1] - 2) < 0.3)
    True
    """
    brightness, variance = curve
    own = patches.means[:, channel]
    points = []
    used = bands() >= 1
    for outside, nearest in ((own < brightness[0] - APART, variance[0]), (own > brightness[-1] + APART, variance[-1])):
        found = np.flatnonzero(outside & (patches.cut <= MAX_CLIPPED_SHARE).all(axis=1))
        order = found[np.argsort(own[found], kind="stable")]
        for group in np.array_split(order, min(GROUPS, len(order) // FEWEST)) if len(order) >= FEWEST else []:
            held = patches.powers[group, channel]  # (P, PATCH_PIXELS, PATCH_PIXELS)
            energy = held[:, used].mean(axis=1)
            ranked = np.argsort(energy)
            quiet, next_quiet = (
                ranked[int(low * len(ranked)) : int(high * len(ranked)) + 4] for low, high in (QUIET, NEXT_QUIET)
            )
            if energy[quiet].mean() < even * energy[next_quiet].mean():
                continue
            power = band_means(mean_of_rows(held[quiet]))[1:]  # the lowest band holds shades too
            told = (power / np.maximum(band_means(shape)[1:], TINY)).min()
            if energy[quiet].mean() > PLATEAU * energy[next_quiet].mean():
                told = min(energy[quiet].mean() / max(shape[used].mean(), TINY), MAX_TILT * told)
            points.append((own[group[quiet]].mean(), np.clip(told, nearest, AMPLIFIED * max(variance.max(), nearest))))
    if not points:
        return curve
    added = np.array(points)
    joined = np.concatenate([brightness, added[:, 0]]), np.concatenate([variance, added[:, 1]])
    order = np.argsort(joined[0], kind="stable")
    return joined[0][order], joined[1][order]


def to_the_ends(brightness: Array, variance: Array, means: Array) -> Curve:
    """A curve's brightnesses and variances, continued in straight lines to the darkest and the brightest patch.

    >>> to_the_ends(np.array([0.4, 0.6]), np.array([2.0, 3.0]), means=np.array([0.2, 0.8]))
    (array([0.2, 0.4, 0.6, 0.8]), array([1., 2., 3., 4.]))
    """
    if len(brightness) < 2:
        return brightness, variance
    ends = []
    for end, near, next_one in ((means.min(), 0, 1), (means.max(), -1, -2)):
        slope = (variance[near] - variance[next_one]) / max(abs(brightness[near] - brightness[next_one]), TINY)
        reached = variance[near] + slope * abs(end - brightness[near])
        ends.append((end, np.clip(reached, variance[near] / FARTHEST, variance[near] * FARTHEST)))
    (darkest, low), (brightest, high) = ends
    return np.concatenate([[darkest], brightness, [brightest]]), np.concatenate([[low], variance, [high]])
