"""Measuring a picture's noise from the picture alone, never from what a network removed.

Plain patches show noise and nothing else (see `flat_patches`). Four things go beyond that. Patterns that fill the
picture are filtered out first (`spectral_lines`). Frequencies at which no place is plain do not count (`plateau`).
Colors with noise of their own are measured (`uniform_colors`). The skewness of the noise tells how it shifts means
(`noise_bias`). The estimate is meant as a bound: where it errs it should be too low, so that too little is removed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.noise import noise_bias
from unnoise.noise.autocovariance import PATCH_PIXELS, dct_powers
from unnoise.noise.channel_differences import WhiteNoise, white_noise
from unnoise.noise.flat_patches import MAX_CLIPPED_SHARE, PatchSpectra, flattest_patches, measure_channel
from unnoise.noise.frequency_bands import bands
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.noise.plateau import OUTLIER, Plateaus, believed, plateaus
from unnoise.noise.spectral_lines import find_lines, without_lines
from unnoise.noise.uniform_colors import COLOR_SIGMA, uniform_colors
from unnoise.photometry.array_ops import to_numpy
from unnoise.regions import RegionSource, sample_windows

Array = NDArray[Any]

WINDOW = 352
"""Side of the windows in which larger pictures are measured, in pixels; at most nine of them."""
PATCHES = 4000
"""About how many patches are looked at."""
FEWEST = 40
"""With fewer patches nothing can be told."""
CONSTANT = 1e-10
"""Sum of squares below which a patch is constant, of values in 0..1: float32's rounding stays below."""
FAINT = 0.3 / 255
"""Standard deviation below which there is no noise, of values in 0..1: that of rounding to 8 bits."""
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
EVEN_IF_WHITE = 0.8
"""Ratio as of `PLATEAU` from which on such a point counts where white noise is known."""
MOST_IN_WHITE = 1.15
"""Largest variance of a channel, in units of the white noise that the differences of channels show."""
MAX_ABOVE_PLAINEST = 1.4
"""Largest variance that differences of channels may tell, in units of that in the plainest patches."""
MAX_WHITE_GAIN = 1.5
"""Largest gain of a color where white noise is known."""
EVEN_GAIN = 1.4
"""Gains of colors below this factor, and above its inverse, may be chance."""
ROUNDS = 3
"""The level at each brightness tells which patches are plain, and these tell the level."""


def estimate_noise(view: RegionSource, low: float = 0.0, high: float = 1.0, *, coded: bool = True) -> NoiseModel | None:
    """Measure the noise of one picture.

    Args:
        view: of the picture, (1, C, H, W). NaN are missing values.
        low, high: the range that most of its values lie in.
        coded: the values are coded for display, and what lies at the range's ends or beyond is cut off. False: of
            measurements, whose means are right as they are and which nothing cuts off.

    Returns:
        A model, with arrays of the picture's kind. None for pictures with too few patches to tell anything: small ones,
        and those that are black or white nearly everywhere.

    >>> import torch
    >>> noisy = 0.5 + 0.02 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> model = estimate_noise(RegionSource.of(noisy))
    >>> model is not None and abs(model.level - 0.02) < 0.001
    True
    """
    seen = [view.read(*part)[0] for part in sample_windows(view.size, WINDOW)]
    windows = [np.moveaxis(to_numpy(window).astype(np.float32, copy=False), 0, -1) for window in seen]
    windows = [(window - np.float32(low)) / np.float32(high - low) for window in windows]
    unknown = [np.isnan(window) for window in windows]
    has_gaps = any(each.any() for each in unknown)
    if has_gaps:
        windows = [np.where(np.isnan(window), np.float32(0), window) for window in windows]
    lines = find_lines(windows)
    pixels = _patches([without_lines(window, lines) for window in windows] if lines else windows)
    if pixels is not None and has_gaps:
        gaps = _patches(unknown)
        pixels = pixels[~np.any(gaps, axis=(1, 2, 3))] if gaps is not None else pixels
    if pixels is None or len(pixels) < FEWEST:
        return None
    cut = ((pixels <= 0) | (pixels >= 1)).mean(axis=(2, 3), dtype=np.float32) * np.float32(coded)
    alive: NDArray[np.bool_] = np.all(cut <= MAX_CLIPPED_SHARE, axis=1)
    if alive.sum() < FEWEST:
        return None
    spectra, means = dct_powers(pixels)
    power = spectra.reshape(*means.shape, -1) @ np.ones(PATCH_PIXELS**2, np.float32)  # (P, C)
    moving: NDArray[np.bool_] = np.any(power > CONSTANT, axis=1)
    varying = alive & moving
    if varying.sum() < FEWEST:
        return _none(pixels.shape[1], low, high, seen[0])
    every = PatchSpectra(spectra, means, cut).chosen(moving)
    patches = every.chosen(alive[moving])
    white = white_noise(pixels[varying], patches.cut)
    fitted = _fitted(patches)
    white = white if white and _agrees(white, patches, fitted[0], fitted[2]) else None
    level, gray_curves, shapes = _without_texture(patches, *fitted, white)
    even = EVEN_IF_WHITE if white else 0.0
    curves = [_beyond_gray(patches, channel, curve, shapes[channel], even) for channel, curve in enumerate(gray_curves)]
    uniform = uniform_colors(every, _at_patches(curves, every), shapes)
    if white:  # no color and no frequency has much more
        uniform = replace(uniform, gains=np.minimum(uniform.gains, MAX_WHITE_GAIN), tilt=np.ones_like(uniform.tilt))
    shapes = shapes * np.where(bands() < 0, 1, uniform.tilt[:, bands()])
    gains = uniform.gain_at(patches.means)
    steep = _at_patches([_to_the_ends(*curve, patches.means[:, c]) for c, curve in enumerate(gray_curves)], patches)
    # noise may grow beyond the ends of a curve as it does within, or not at all
    likely = [plateaus(patches, each * gains, shapes) for each in (level, steep)]
    if not white and pixels.shape[1] > 1:
        likely = [_unconfirmed(each) for each in likely]
    found = replace(
        likely[0], trust=np.maximum(np.max([each.trust for each in likely], axis=0), 1.0 if white else uniform.trust)
    )
    spectrum = believed(shapes, found)
    power = spectrum.mean(axis=(1, 2))
    faintest = float(np.sqrt((level * power).mean()))
    overall = float(
        np.sqrt((_at_patches(curves, every) * uniform.gain_at(every.means) * _left_by_cuts(every.cut) * power).mean())
    )
    if faintest < FAINT:  # by the plainest patches: outside their curve a slope may pass for noise
        return _none(pixels.shape[1], low, high, seen[0])
    is_even = bool((np.abs(np.log(uniform.gains)) < np.log(EVEN_GAIN)).all())
    brightness = np.linspace(0, 1, KNOTS)
    variance = np.stack([np.interp(brightness, *curve) for curve in curves])  # (C, KNOTS)
    sigma = np.sqrt(variance * shapes.mean(axis=(1, 2))[:, None])
    bent = noise_bias.bent_share(pixels[varying]) if coded else 0.0
    bias = np.stack([noise_bias.shifts(brightness, s, bent) for s in sigma]) if coded else np.zeros((len(sigma), 2, KNOTS))
    scale = high - low
    return NoiseModel(
        low=low,
        high=high,
        variance=_as_kind(variance * scale**2, seen[0]),
        spectrum=_as_kind(spectrum, seen[0]),
        level=overall * scale,
        doubt=found.doubt,
        below=_as_kind(bias[:, 0] * scale, seen[0]),
        above=_as_kind(bias[:, 1] * scale, seen[0]),
        colors=None if is_even else _as_kind(uniform.colors * scale + low, seen[0]),
        gains=None if is_even else _as_kind(uniform.gains, seen[0]),
        reach=COLOR_SIGMA * scale,
    )


def _patches(windows: list[Array]) -> Array | None:
    """About `PATCHES` of them, on a lattice whose step is odd where it is not small: (P, C, PATCH_PIXELS,
    PATCH_PIXELS)."""
    area = sum(max(w.shape[0] - PATCH_PIXELS + 1, 0) * max(w.shape[1] - PATCH_PIXELS + 1, 0) for w in windows)
    if not area:
        return None
    step = max(4, round(float(np.sqrt(area / PATCHES))) | 1)
    if area / 16 <= PATCHES:
        step = 4
    channels = windows[0].shape[2]
    views = [
        np.lib.stride_tricks.sliding_window_view(w, (PATCH_PIXELS, PATCH_PIXELS), axis=(0, 1))[::step, ::step] for w in windows
    ]
    return np.concatenate([view.reshape(-1, channels, PATCH_PIXELS, PATCH_PIXELS) for view in views])


def _fitted(patches: PatchSpectra) -> tuple[Array, list[tuple[Array, Array]], Array]:
    """The variance at each patch (P, C), curves of variance by brightness, and spectra (C, PATCH_PIXELS, PATCH_PIXELS).

    All are of the plainest patches.
    """
    count, channels = patches.means.shape
    energies = patches.energies
    level = np.broadcast_to(np.median(energies[0] + energies[1], axis=0) + TINY, (count, channels))
    for _ in range(ROUNDS):
        chosen = []
        for own, other in (energies, energies[::-1]):
            plain = flattest_patches(own / level, patches.means.mean(axis=1))
            measured = (other / level)[plain].mean(axis=1)
            chosen.append(plain[measured <= OUTLIER * np.median(measured)])  # a straight edge may lie in one half alone
        fitted = [measure_channel(patches, chosen, c) for c in range(channels)]
        curves = [(curve.brightness, curve.variance) for curve, _ in fitted]
        level = _at_patches(curves, patches)
    curves = [_without_textured_points(patches, c, *curve) for c, curve in enumerate(curves)]
    level = _at_patches(curves, patches)
    return level, curves, np.stack([shape for _, shape in fitted])


def _without_textured_points(patches: PatchSpectra, channel: int, brightness: Array, variance: Array) -> tuple[Array, Array]:
    """A channel's curve with points lowered to their neighbours where all patches of a brightness hold structure.

    Noise makes the quietest patches of one brightness as loud as the next ones. Text and leaves do not.
    """
    if len(brightness) < 2:
        return brightness, variance
    nearest = np.searchsorted((brightness[1:] + brightness[:-1]) / 2, patches.means[:, channel])
    energies = patches.bands[:, channel, :, 1:].sum(axis=2)  # (P, 2)
    trust = np.ones(len(brightness))
    for point in range(len(brightness)):
        own = energies[nearest == point]
        if len(own) < FEWEST:
            continue
        told = np.zeros(2)
        for chosen in range(2):
            ranked = own[np.argsort(own[:, chosen], kind="stable"), 1 - chosen]
            told += [
                np.median(ranked[int(low * len(own)) : int(high * len(own)) + 4]) for low, high in (QUIETEST, NEXT_QUIETEST)
            ]
        trust[point] = np.clip((told[0] / max(told[1], TINY) - TEXTURED) / (PLAIN - TEXTURED), 0, 1)
    plain = trust == 1
    if not plain.any():
        return brightness, variance
    around = np.interp(brightness, brightness[plain], variance[plain])
    return brightness, np.minimum(variance, variance**trust * around ** (1 - trust))


def _agrees(white: WhiteNoise, patches: PatchSpectra, level: Array, shapes: Array) -> bool:
    """Whether no channel has less noise in its plainest patches than the differences of channels tell.

    Noise that two channels share, such as film grain, makes their difference smaller and the third channel's noise seem larger.
    """
    power = shapes.mean(axis=(1, 2))  # (C,)
    for channel in range(patches.means.shape[1]):
        told = white.at(channel, patches.means[:, channel]).mean()
        if told > MAX_ABOVE_PLAINEST * (level[:, channel] * power[channel]).mean():
            return False
    return True


def _without_texture(
    patches: PatchSpectra, level: Array, curves: list[tuple[Array, Array]], shapes: Array, white: WhiteNoise | None
) -> tuple[Array, list[tuple[Array, Array]], Array]:
    """What `_fitted` gives, where the differences of channels show white noise: no channel has more noise, at any frequency."""
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


def _unconfirmed(found: Plateaus) -> Plateaus:
    """A plateau at the highest frequencies alone would be white noise. Where differences of channels show none, it is texture."""
    trust = found.trust.copy()
    trust[-1] = min(trust[-1], trust[-2])
    return replace(found, trust=trust)


def _at_patches(curves: list[tuple[Array, Array]], patches: PatchSpectra) -> Array:
    """The variance of noise at each patch's brightness, (P, C)."""
    return np.stack([np.interp(patches.means[:, c], *curve) for c, curve in enumerate(curves)], axis=1) + TINY


def _left_by_cuts(cut: Array) -> Array:
    """What black and white leave of the variance where they cut off most pixels, (P, C).

    Curves hold the effect where fewer pixels are cut off. The power is a fit to normal noise.
    """
    return np.where(cut <= MAX_CLIPPED_SHARE, 1, (1 - cut) ** 1.5)


def _beyond_gray(
    patches: PatchSpectra, channel: int, curve: tuple[Array, Array], shape: Array, even: float
) -> tuple[Array, Array]:
    """A channel's curve, continued to brightnesses that only saturated colors have.

    The plainest patches of one brightness are mostly gray. Where a color matrix or white balance amplifies a channel, saturated
    colors are noisier, and none of them is among the plainest. So patches outside the curve are compared with one another. Where the
    quietest are about as loud as the next ones, they hold noise. Else the band with the least power beside the spectrum tells it,
    as texture falls off with frequency. Where the ratio of both is below `even`, nothing is told. No point lies below the nearest end of
    the curve.
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
            power = held[quiet].mean(axis=0)
            told = min(power[bands() == b].mean() / max(shape[bands() == b].mean(), TINY) for b in range(1, bands().max() + 1))
            if energy[quiet].mean() > PLATEAU * energy[next_quiet].mean():
                told = min(energy[quiet].mean() / max(shape[used].mean(), TINY), MAX_TILT * told)
            points.append((own[group[quiet]].mean(), np.clip(told, nearest, AMPLIFIED * max(variance.max(), nearest))))
    if not points:
        return curve
    added = np.array(points)
    joined = np.concatenate([brightness, added[:, 0]]), np.concatenate([variance, added[:, 1]])
    order = np.argsort(joined[0], kind="stable")
    return joined[0][order], joined[1][order]


def _to_the_ends(brightness: Array, variance: Array, means: Array) -> tuple[Array, Array]:
    """A curve's brightnesses and variances, continued in straight lines to the darkest and the brightest patch."""
    if len(brightness) < 2:
        return brightness, variance
    ends = []
    for end, near, next_one in ((means.min(), 0, 1), (means.max(), -1, -2)):
        slope = (variance[near] - variance[next_one]) / max(abs(brightness[near] - brightness[next_one]), TINY)
        reached = variance[near] + slope * abs(end - brightness[near])
        ends.append((end, np.clip(reached, variance[near] / FARTHEST, variance[near] * FARTHEST)))
    (darkest, low), (brightest, high) = ends
    return np.concatenate([[darkest], brightness, [brightest]]), np.concatenate([[low], variance, [high]])


def _none(channels: int, low: float, high: float, like: Any) -> NoiseModel:
    nothing = _as_kind(np.zeros((channels, KNOTS)), like)
    spectrum = _as_kind(np.zeros((channels, PATCH_PIXELS, PATCH_PIXELS)), like)
    return NoiseModel(low, high, nothing, spectrum, 0.0, 0.0, nothing, nothing)


def _as_kind(values: Array, like: Any) -> Any:
    """float32 on the CPU: a tensor where `like` is one, else a NumPy array."""
    made = np.ascontiguousarray(values, dtype=np.float32)
    if not is_torch_array(like):
        return made
    import torch

    return torch.from_numpy(made)
