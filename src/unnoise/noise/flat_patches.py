"""The spectrum and the level of noise, measured in the flattest patches of a picture, also for correlated noise.

Patches without structure show nothing but noise. Choosing them by how little varies in them would choose those with
weak noise. In correlated noise these are weak at low frequencies, so both level and correlation would be wrong.
Therefore each half of the frequencies is measured in patches that were chosen by the *other* half. In stationary noise
the frequencies of the cosine transform are nearly independent, while the edges and textures of a picture show in both
halves.

Related: Colom, Lebrun, Buades and Morel, "A non-parametric approach for the estimation of intensity-frequency dependent
    noise",
ICIP 2014. They choose patches by low frequencies and measure the others by the median over patches. That median fails
after JPEG, which sets most high frequencies to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS, autocovariance, dct_powers, used_frequencies
from unnoise.noise.frequency_bands import band_powers, band_sizes, halves, sum_of_bands
from unnoise.noise.groups import least_of_each, mean_of_rows

Array = NDArray[Any]
Floats = NDArray[np.float64]

PATCH_COUNT = 8000
"""About this many patches are examined in a picture of three channels."""
FLAT_SHARE = 0.05
"""The share of the patches of each brightness that counts as flat."""
MAX_CLIPPED_SHARE = 0.5
"""Patches with a larger share of black or white pixels in any channel are not used."""
_AT_A_BRIGHTNESS = 100
"""Patches in a group of similar brightness."""
_LEAST = 2
_CHANCE = 1.2  # an excess of low frequencies that noise alone may have
_SMOOTH = 0.15  # range of brightness over which the noise level changes little
_POINTS = 10
IN_A_POINT = 32
"""Flat patches of each half of the frequencies in a point of a curve, at least."""
_LOW = np.maximum(*np.indices((PATCH_PIXELS, PATCH_PIXELS))) <= 4
_CONSTANT = 1e-10  # above float32's rounding, below one 16-bit step at one pixel
_TINY = 1e-14  # the square of float32's resolution in 0..1


@dataclass(frozen=True)
class PatchSpectra:
    """The powers of the patches of a picture.

    >>> one = np.ones((2, 3))  # two patches of three channels
    >>> PatchSpectra(np.ones((2, 3, PATCH_PIXELS, PATCH_PIXELS)), one / 2, 0 * one).powers.shape[:2]
    (2, 3)
    """

    powers: Array
    """(P, C, PATCH_PIXELS, PATCH_PIXELS)."""
    means: Array
    """(P, C), in 0..1."""
    cut: Array
    """(P, C): share of pixels at black or white."""

    @cached_property
    def bands(self) -> Array:
        """Powers by half of the frequencies and band, (P, C, 2, B); see `frequency_bands`."""
        return band_powers(self.powers)

    @property
    def energies(self) -> list[Array]:
        """The mean power in each half of the frequencies, (P, C) each."""
        means = sum_of_bands(self.bands) / band_sizes().sum(axis=1)
        return [means[..., 0], means[..., 1]]

    def chosen(self, which: NDArray[np.bool_]) -> PatchSpectra:
        """Some of the patches, (P,) true or false."""
        if which.all():
            return self
        chosen = PatchSpectra(self.powers[which], self.means[which], self.cut[which])
        if "bands" in self.__dict__:
            chosen.__dict__["bands"] = self.bands[which]
        return chosen


@dataclass(frozen=True)
class NoiseCurve:
    """The noise of one channel by brightness. All arrays have the same length, and brightness rises.

    >>> curve = NoiseCurve(np.array([0.2, 0.8]), np.array([1e-4, 4e-4]), np.zeros(2), np.array([30, 30]))
    >>> np.sqrt(curve.variance)
    array([0.01, 0.02])
    """

    brightness: Floats
    variance: Floats
    cut: Floats
    """Share of pixels at black or white in the patches of each point."""
    patches: NDArray[np.int64]
    """Number of patches of each point."""


@dataclass(frozen=True)
class NoiseMeasurement:
    """What the flat patches tell.

    >>> NoiseMeasurement([], np.ones((1, 1)), np.array([4e-4]), patches=60).patches
    60
    """

    curves: list[NoiseCurve]
    covariance: Floats
    """(RADIUS_PIXELS + 1, RADIUS_PIXELS + 1), of all channels together, at the picture's own brightness."""
    variances: Floats
    """(C,): the mean noise variance over the picture, each patch counting by its own brightness."""
    patches: int
    """Number of patches that counted as flat."""


def extract_patches(windows: list[Array]) -> PatchSpectra:
    """Patches on a grid over windows of a picture, about `PATCH_COUNT` in all.

    The grid's step is odd unless it is small, so that patches start at every phase of JPEG's 8×8 blocks.

    Args:
        windows: (H, W, C) each, floats in 0..1, H and W ≥ PATCH_PIXELS.

    >>> extract_patches([np.zeros((32, 32, 3), np.float32)]).means.shape
    (25, 3)
    """
    channels = windows[0].shape[-1]
    wanted = PATCH_COUNT * 3 / max(3, channels)
    area = sum((w.shape[0] - PATCH_PIXELS + 1) * (w.shape[1] - PATCH_PIXELS + 1) for w in windows)
    step = max(4, round(float(np.sqrt(area / wanted))) | 1)
    if area / 16 <= wanted:
        step = 4
    parts = []
    for window in windows:
        views = np.lib.stride_tricks.sliding_window_view(window, (PATCH_PIXELS, PATCH_PIXELS), axis=(0, 1))[::step, ::step]
        patches = views.reshape(-1, channels, PATCH_PIXELS, PATCH_PIXELS)  # (P, C, PATCH_PIXELS, PATCH_PIXELS)
        parts.append((*dct_powers(patches), ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3), dtype=np.float32)))
    return PatchSpectra(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def measure_noise(patches: PatchSpectra) -> NoiseMeasurement | None:
    """Measure the noise in patches.

    Returns:
        The measurement. None if there is no noise: every patch is constant, or black and white have clipped it.

    >>> noise = np.random.default_rng(0).normal(0.5, 0.02, (160, 160, 1)).astype(np.float32)
    >>> measured = measure_noise(extract_patches([noise]))
    >>> measured.variances.round(4).tolist()
    [0.0004]
    """
    alive = (patches.cut <= MAX_CLIPPED_SHARE).all(axis=1) & (patches.powers.sum(axis=(2, 3)) > _CONSTANT).any(axis=1)
    if not alive.any():
        return None
    patches = patches.chosen(alive)
    count, channels = patches.means.shape
    energies, groups = patches.energies, groups_by_brightness(patches.means.mean(axis=1))
    level = np.broadcast_to(np.median(energies[0] + energies[1], axis=0) + _TINY, (count, channels))
    for _ in range(2):  # the first curve makes patches of different brightness comparable
        chosen = [flattest_patches(energy / level, groups) for energy in energies]
        fitted = [measure_channel(patches, chosen, c) for c in range(channels)]
        level = np.stack(
            [np.interp(patches.means[:, c], curve.brightness, curve.variance) for c, (curve, _) in enumerate(fitted)], axis=1
        )
        level = level + _TINY
    covariances = [autocovariance(spectrum) for _, spectrum in fitted]
    curves = [
        NoiseCurve(curve.brightness, curve.variance * max(cov[0, 0], 0.0), curve.cut, curve.patches)
        for (curve, _), cov in zip(fitted, covariances, strict=True)
    ]
    variances = level.mean(axis=0) * [max(cov[0, 0], 0.0) for cov in covariances]
    pooled = autocovariance(np.einsum("ckl,c->kl", [spectrum for _, spectrum in fitted], level.mean(axis=0)))
    return NoiseMeasurement(curves, pooled, variances, len(np.union1d(*chosen)))


def groups_by_brightness(brightness: Array) -> list[NDArray[np.int64]]:
    """Indices of patches of similar brightness (P,), the darkest group first.

    >>> [len(group) for group in groups_by_brightness(np.linspace(0, 1, 250))]
    [125, 125]
    """
    order = np.argsort(brightness, kind="stable")
    return np.array_split(order, max(1, len(order) // _AT_A_BRIGHTNESS))


def flattest_patches(energy: Array, groups: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Indices of the patches with least energy (P, C), mean over channels: a share of `FLAT_SHARE` of each group.

    >>> energy = np.linspace(2, 1, 100)[:, None]  # of 100 patches, equally bright: the last have the least
    >>> flattest_patches(energy, groups_by_brightness(np.full(100, 0.5)))
    array([99, 98, 97, 96, 95])
    """
    return np.concatenate(least_of_each(energy.mean(axis=1), groups, FLAT_SHARE, at_least=_LEAST))


def measure_channel(
    patches: PatchSpectra, chosen: list[NDArray[np.int64]], channel: int, in_a_point: int = IN_A_POINT
) -> tuple[NoiseCurve, Floats]:
    """A channel's curve in units of its spectrum (PATCH_PIXELS, PATCH_PIXELS), and that spectrum.

    >>> powers = np.random.default_rng(0).chisquare(1, (400, 1, PATCH_PIXELS, PATCH_PIXELS))  # white noise of variance 1
    >>> patches = PatchSpectra(powers, np.full((400, 1), 0.5), np.zeros((400, 1)))
    >>> curve, _ = measure_channel(patches, [np.arange(0, 400, 2), np.arange(1, 400, 2)], channel=0)
    >>> bool(np.all(np.abs(curve.variance - 1) < 0.1))
    True
    """
    every = np.concatenate(chosen)
    brightness = patches.means[:, channel]
    groups = np.array_split(np.sort(brightness[every]), max(1, min(_POINTS, len(every) // (2 * in_a_point))))
    edges = [group[-1] for group in groups[:-1]]
    spectra, points, cut, counts = [], [], [], []
    for place in range(len(groups)):
        spectrum = np.zeros((PATCH_PIXELS, PATCH_PIXELS))
        parts = [part[np.searchsorted(edges, brightness[part]) == place] for part in chosen]
        if not all(len(part) for part in parts):
            continue
        for other, part in zip(halves()[::-1], parts, strict=True):
            spectrum[other] = mean_of_rows(patches.powers[part, channel])[other]
        both = np.concatenate(parts)
        spectra.append(spectrum)
        points.append(brightness[both].mean())
        cut.append(patches.cut[both, channel].mean())
        counts.append(len(both))
    stack = np.stack(spectra)  # (points, PATCH_PIXELS, PATCH_PIXELS)
    shapes = stack / (stack[:, used_frequencies()].mean(axis=1) + _TINY)[:, None, None]
    # Where no patch of a brightness is flat, its spectrum has too much of low frequencies. The better half of the
    # points sets the shape.
    lowness = shapes[:, _LOW].mean(axis=1)
    shape = shapes[np.argsort(lowness, kind="stable")[: (len(shapes) + 1) // 2]].mean(axis=0)
    shape = np.maximum(shape, 1e-4 * shape.max())
    relative = stack / np.maximum(shape, _TINY)
    variance = np.median(
        relative[:, used_frequencies()], axis=1
    )  # a median, because the rest of structure is at few frequencies
    structure = np.maximum(1, relative[:, _LOW & used_frequencies()].mean(axis=1) / (variance + _TINY) / _CHANCE)
    x = np.array(points)
    return NoiseCurve(x, _suppress_structure(x, variance, structure), np.array(cut), np.array(counts)), shape


def _suppress_structure(brightness: Floats, variance: Floats, structure: Floats) -> Floats:
    """Lower the points of a curve that the picture's structure has raised, according to their neighbors.

    Args:
        brightness, variance: the points.
        structure: how many times stronger low frequencies are at a point than in the channel's noise. 1: no structure.
    """
    trust = 1 / structure
    near = np.exp(-0.5 * ((brightness[:, None] - brightness) / _SMOOTH) ** 2) * trust**3
    around = np.exp((near * np.log(variance + _TINY)).sum(axis=1) / near.sum(axis=1))
    lowered: Floats = np.minimum(variance, variance**trust * around ** (1 - trust))
    return lowered
