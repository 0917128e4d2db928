"""The spectrum and the level of a picture's noise from its flattest patches, though the noise is spatially correlated.

Patches without structure show nothing but noise. To find them by how little varies in them would pick those whose noise happens
to be weak, and in correlated noise weak at low frequencies, which spoils level and correlation alike. So each half of the
frequencies is measured in patches that were chosen by the *other* half: in stationary noise different frequencies of the cosine
transform are nearly independent, while the edges and textures of a picture lie in both.

Related: Colom, Lebrun, Buades and Morel, "A non-parametric approach for the estimation of intensity-frequency dependent noise",
ICIP 2014, who choose patches by low frequencies and measure the others by the median over patches. That median fails after
JPEG, which leaves most high frequencies at exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.noise.autocovariance import PATCH_PIXELS, autocovariance, dct_powers, used_frequencies

Array = NDArray[Any]
Floats = NDArray[np.float64]

PATCH_COUNT = 8000
"""So many are looked at in a picture of three channels."""
FLAT_SHARE = 0.05
"""The share that is taken for flat, at each brightness."""
MAX_CLIPPED_SHARE = 0.5
"""Patches with a larger share of black or white pixels in any channel tell nothing."""
_AT_A_BRIGHTNESS = 100
_LEAST = 2
_CHANCE = 1.2  # an excess of low frequencies that noise itself may show
_SMOOTH = 0.15  # brightness over which a level of noise changes little
_POINTS = 10
_IN_A_POINT = 32
_LOW = np.maximum(*np.indices((PATCH_PIXELS, PATCH_PIXELS))) <= 4
_CONSTANT = 1e-10  # float32's rounding stays below, one 16-bit step at one pixel lies above
_TINY = 1e-14  # the square of what float32 can tell in 0..1


@dataclass(frozen=True)
class PatchSpectra:
    """Patches of a picture, as their powers."""

    powers: Array
    """(P, C, SIDE, SIDE)."""
    means: Array
    """(P, C), in 0..1."""
    cut: Array
    """(P, C): share of pixels at black or white."""


@dataclass(frozen=True)
class NoiseCurve:
    """A channel's noise by brightness; arrays of one length, brightness rising."""

    brightness: Floats
    variance: Floats
    cut: Floats
    """Share of pixels at black or white in the patches behind each point."""
    patches: NDArray[np.int64]


@dataclass(frozen=True)
class NoiseMeasurement:
    """What the flat patches tell."""

    curves: list[NoiseCurve]
    covariance: Floats
    """(RADIUS + 1, RADIUS + 1), of all channels together, in units of the variance at the picture's own brightness."""
    variances: Floats
    """(C,): the mean over the picture, each of its patches at its own brightness."""
    patches: int
    """How many were taken for flat."""


def extract_patches(windows: list[Array]) -> PatchSpectra:
    """Patches on a lattice over windows (H, W, C) in 0..1, H and W ≥ SIDE, all together about `PATCH_COUNT`.

    The lattice's step is odd where it is not small, so that patches begin at every phase of JPEG's blocks of 8.
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
        patches = views.reshape(-1, channels, PATCH_PIXELS, PATCH_PIXELS)  # (P, C, SIDE, SIDE)
        parts.append((*dct_powers(patches), ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3), dtype=np.float32)))
    return PatchSpectra(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def measure_noise(patches: PatchSpectra) -> NoiseMeasurement | None:
    """The noise in patches, or None where there is none: every patch is constant, or black and white have cut it off."""
    alive = (patches.cut <= MAX_CLIPPED_SHARE).all(axis=1) & (patches.powers.sum(axis=(2, 3)) > _CONSTANT).any(axis=1)
    if not alive.any():
        return None
    patches = PatchSpectra(patches.powers[alive], patches.means[alive], patches.cut[alive])
    count, channels = patches.means.shape
    energies = [patches.powers[:, :, half].mean(axis=2) for half in _halves()]  # 2 of (P, C)
    level = np.broadcast_to(np.median(energies[0] + energies[1], axis=0) + _TINY, (count, channels))
    for _ in range(2):  # the first curve lets patches of different brightness be compared
        chosen = [_flattest_patches(energy / level, patches.means.mean(axis=1)) for energy in energies]
        fitted = [_measure_channel(patches, chosen, c) for c in range(channels)]
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


def _halves() -> list[NDArray[np.bool_]]:
    """The used frequencies in two halves, like the squares of a chessboard."""
    parity = np.add.outer(np.arange(PATCH_PIXELS), np.arange(PATCH_PIXELS)) % 2
    return [used_frequencies() & (parity == half) for half in (0, 1)]


def _flattest_patches(energy: Array, brightness: Array) -> NDArray[np.int64]:
    """Indices of the `FLAT_SHARE` patches with least energy (P, C), mean over channels, at each brightness (P,)."""
    order = np.argsort(brightness, kind="stable")
    total = energy.mean(axis=1)
    groups = np.array_split(order, max(1, len(order) // _AT_A_BRIGHTNESS))
    taken = [group[np.argsort(total[group], kind="stable")[: max(_LEAST, round(FLAT_SHARE * len(group)))]] for group in groups]
    return np.concatenate(taken)


def _measure_channel(patches: PatchSpectra, chosen: list[NDArray[np.int64]], channel: int) -> tuple[NoiseCurve, Floats]:
    """A channel's curve, in units of its spectrum (SIDE, SIDE), whose mean over the used frequencies is 1."""
    every = np.concatenate(chosen)
    brightness = patches.means[:, channel]
    groups = np.array_split(np.sort(brightness[every]), max(1, min(_POINTS, len(every) // (2 * _IN_A_POINT))))
    edges = [group[-1] for group in groups[:-1]]
    spectra, points, cut, counts = [], [], [], []
    for place in range(len(groups)):
        spectrum = np.zeros((PATCH_PIXELS, PATCH_PIXELS))
        parts = [part[np.searchsorted(edges, brightness[part]) == place] for part in chosen]
        if not all(len(part) for part in parts):
            continue
        for other, part in zip(_halves()[::-1], parts, strict=True):
            spectrum[other] = patches.powers[part, channel].mean(axis=0)[other]
        both = np.concatenate(parts)
        spectra.append(spectrum)
        points.append(brightness[both].mean())
        cut.append(patches.cut[both, channel].mean())
        counts.append(len(both))
    stack = np.stack(spectra)  # (points, SIDE, SIDE)
    shapes = stack / (stack[:, used_frequencies()].mean(axis=1) + _TINY)[:, None, None]
    # Where nothing at a brightness is flat, structure shows as an excess of low frequencies: the other half sets the shape.
    lowness = shapes[:, _LOW].mean(axis=1)
    shape = shapes[np.argsort(lowness, kind="stable")[: (len(shapes) + 1) // 2]].mean(axis=0)
    shape = np.maximum(shape, 1e-4 * shape.max())
    relative = stack / np.maximum(shape, _TINY)
    variance = np.median(relative[:, used_frequencies()], axis=1)  # what is left of structure is at few frequencies
    structure = np.maximum(1, relative[:, _LOW & used_frequencies()].mean(axis=1) / (variance + _TINY) / _CHANCE)
    x = np.array(points)
    return NoiseCurve(x, _suppress_structure(x, variance, structure), np.array(cut), np.array(counts)), shape


def _suppress_structure(brightness: Floats, variance: Floats, structure: Floats) -> Floats:
    """Lower the points of a curve that structure has raised, by what their neighbours say.

    Args:
        brightness, variance: the points.
        structure: how many times as strong low frequencies are at each as in the channel's noise; 1: none.
    """
    trust = 1 / structure
    near = np.exp(-0.5 * ((brightness[:, None] - brightness) / _SMOOTH) ** 2) * trust**3
    around = np.exp((near * np.log(variance + _TINY)).sum(axis=1) / near.sum(axis=1))
    lowered: Floats = np.minimum(variance, variance**trust * around ** (1 - trust))
    return lowered
