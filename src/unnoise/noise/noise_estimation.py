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
from unnoise.noise.autocovariance import PATCH_PIXELS, dct, dct_powers, powers_of
from unnoise.noise.channel_differences import white_noise
from unnoise.noise.cut_off_noise import with_cut_off_noise
from unnoise.noise.diagonal_differences import bounded_spectrum, diagonal_variance, expected_variance
from unnoise.noise.flat_patches import MAX_CLIPPED_SHARE, PatchSpectra
from unnoise.noise.frequency_bands import bands
from unnoise.noise.noise_curves import (
    FEWEST,
    Curve,
    agrees,
    at_patches,
    beyond_gray,
    fit_plainest,
    to_the_ends,
    without_texture,
)
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.noise.plateau import Plateaus, believed, plateaus
from unnoise.noise.spectral_lines import find_lines, without_lines
from unnoise.noise.spectral_peaks import without_peaks
from unnoise.noise.uniform_colors import COLOR_SIGMA, uniform_colors
from unnoise.noise.variance_stabilization import VarianceStabilization
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.photometry import is_added_noise
from unnoise.regions import RegionSource, sample_windows

Array = NDArray[Any]

WINDOW = 352
"""Side of the windows in which larger pictures are measured, in pixels; at most nine of them."""
PATCHES = 4000
"""About how many patches are looked at."""
CONSTANT = 1e-10
"""Sum of squares below which a patch is constant, of values in 0..1: float32's rounding stays below."""
FAINT = 0.3 / 255
"""Standard deviation below which there is no noise, of values in 0..1: that of rounding to 8 bits."""
LOUD_DIFFERENCE = 3 / 255
"""Standard deviation of diagonal differences from which on they tell the noise of photographs."""
DIFFERENCE_PATCHES = 500
"""About so many patches show them. Patches overlap, so more would show the same pixels."""
IN_A_POINT_OF_A_LINE = 12
"""Fewer patches make a point of the curve to which a line is fitted than of others, as a line needs several points."""
FAINT_IN_MEASUREMENTS = 2e-5
"""The same for measurements: a little more than 16 bits can show."""
EVEN_IF_WHITE = 0.8
"""Ratio as of `PLATEAU` from which on such a point counts where white noise is known."""
MAX_WHITE_GAIN = 1.5
"""Largest gain of a color where white noise is known."""
EVEN_GAIN = 1.4
"""Gains of colors below this factor, and above its inverse, may be chance."""


def estimate_noise(view: RegionSource, low: float = 0.0, high: float = 1.0, *, coded: bool = True) -> NoiseModel | None:
    """Measure the noise of one picture.

    Args:
        view: of the picture, (1, C, H, W). NaN are missing values.
        low, high: the range that most of its values lie in.
        coded: the values are coded for display, and what lies at the range's ends or beyond is cut off. False: of
            measurements, whose means are right as they are and which nothing cuts off. Their noise may grow with the
            light (`variance_stabilization`), and the model reaches beyond `high` as far as values do.

    Returns:
        A model, with arrays of the picture's kind. It says that no noise can be told of pictures that are black or white
        nearly everywhere. None for small pictures, which have too few patches to tell anything.

    >>> import torch
    >>> noisy = 0.5 + 0.02 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> model = estimate_noise(RegionSource.of(noisy))
    >>> model is not None and abs(model.level - 0.02) < 0.001
    True
    """
    seen = [view.read(*part)[0] for part in sample_windows(view.size, WINDOW)]
    windows = [np.moveaxis(to_numpy(window).astype(np.float32, copy=False), 0, -1) for window in seen]
    windows = [(window - np.float32(low)) / np.float32(high - low) for window in windows]
    patched = _pixels(windows)
    if patched is None or len(patched[0]) < FEWEST:
        return None
    pixels, cut = patched
    curves_of_values = None if coded else _stabilizations(pixels)
    if curves_of_values:
        pixels = np.stack([curve.forward(pixels[:, c]) for c, curve in enumerate(curves_of_values)], axis=1)
    if not coded:
        cut = np.zeros_like(cut)
    alive: NDArray[np.bool_] = np.all(cut <= MAX_CLIPPED_SHARE, axis=1)
    if alive.sum() < FEWEST:  # black or white nearly everywhere: a page of text, or nothing at all
        is_constant = np.all(pixels == pixels[..., :1, :1])
        return None if is_constant else _none(pixels.shape[1], low, high, seen[0])
    coefficients = dct(pixels)
    spectra, means = powers_of(coefficients)
    power = spectra.reshape(*means.shape, -1) @ np.ones(PATCH_PIXELS**2, np.float32)  # (P, C)
    if not coded:
        spectra = without_peaks(spectra)
    moving: NDArray[np.bool_] = np.any(power > CONSTANT, axis=1)
    varying = alive & moving
    if varying.sum() < FEWEST:
        return _none(pixels.shape[1], low, high, seen[0])
    every = PatchSpectra(spectra, means, cut).chosen(moving)
    patches = every.chosen(alive[moving])
    whole = pixels
    if not varying.all():
        pixels, coefficients, power = pixels[varying], coefficients[varying], power[varying]
    white = white_noise(coefficients, patches.cut)
    del coefficients
    fitted = fit_plainest(patches)
    white = white if white and agrees(white, patches, fitted[0], fitted[2]) else None
    level, gray_curves, shapes = without_texture(patches, *fitted, white)
    even = EVEN_IF_WHITE if white else 0.0
    curves = [beyond_gray(patches, channel, curve, shapes[channel], even) for channel, curve in enumerate(gray_curves)]
    uniform = uniform_colors(every, at_patches(curves, every), shapes)
    if curves_of_values:  # after stabilization the variance depends on brightness alone
        uniform = replace(uniform, gains=np.ones_like(uniform.gains))
    if white:  # no color and no frequency has much more
        uniform = replace(uniform, gains=np.minimum(uniform.gains, MAX_WHITE_GAIN), tilt=np.ones_like(uniform.tilt))
    shapes = shapes * np.where(bands() < 0, 1, uniform.tilt[:, bands()])
    gains = uniform.gain_at(patches.means)
    steep = at_patches([to_the_ends(*curve, patches.means[:, c]) for c, curve in enumerate(gray_curves)], patches)
    # noise may grow beyond the ends of a curve as it does within, or not at all
    likely = [plateaus(patches, each * gains, shapes) for each in (level, steep)]
    if not coded:  # no camera smoothed them
        likely = [replace(each, smoothed=0.0) for each in likely]
    if not white and pixels.shape[1] > 1:
        likely = [_unconfirmed(each) for each in likely]
    found = replace(
        likely[0], trust=np.maximum(np.max([each.trust for each in likely], axis=0), 1.0 if white else uniform.trust)
    )
    spectrum = believed(shapes, found)
    loud = _loud(spectrum, level, coded=coded)
    if loud.any():
        step = max(1, len(level) // DIFFERENCE_PATCHES)
        spectrum = bounded_spectrum(spectrum, diagonal_variance(pixels[::step], level[::step]), loud)
    overall_power = spectrum.mean(axis=(1, 2))
    faintest = float(np.sqrt((level * overall_power).mean()))
    limit = FAINT if coded else FAINT_IN_MEASUREMENTS
    if (
        faintest < limit or not spectrum[:, bands() >= 0].any()
    ):  # by the plainest patches: beyond their curve a slope may pass for noise
        return _none(pixels.shape[1], low, high, seen[0])
    variances = at_patches(curves, every) * (gains if every is patches else uniform.gain_at(every.means))
    if curves_of_values:
        variances /= np.stack([curve.derivative(every.means[:, c]) for c, curve in enumerate(curves_of_values)], axis=1) ** 2
    overall = float(np.sqrt((variances * _left_by_cuts(every.cut) * overall_power).mean()))
    is_even = bool((np.abs(np.log(uniform.gains)) < np.log(EVEN_GAIN)).all())
    top = 1.0 if coded else max(1.0, *(float(np.nanmax(window)) for window in windows))
    brightness = np.linspace(0, top, KNOTS)
    variance = _variance_by_brightness(brightness, curves, curves_of_values)  # (C, KNOTS)
    sigma = np.sqrt(variance * shapes.mean(axis=(1, 2))[:, None])
    bent = noise_bias.bent_share(pixels, patches.means, power / PATCH_PIXELS**2, patches.cut) if coded else 0.0
    if coded and is_added_noise(bent):
        sigma = with_cut_off_noise(sigma, brightness, whole)
    bias = np.stack([noise_bias.shifts(brightness, s, bent) for s in sigma]) if coded else np.zeros((len(sigma), 2, KNOTS))
    scale = high - low
    return NoiseModel(
        low=low,
        high=low + top * scale,
        variance=_as_kind(variance * scale**2, seen[0]),
        spectrum=_as_kind(spectrum, seen[0]),
        level=overall * scale,
        doubt=found.doubt,
        below=_as_kind(bias[:, 0] * scale, seen[0]),
        above=_as_kind(bias[:, 1] * scale, seen[0]),
        colors=None if is_even else _as_kind(uniform.colors * scale + low, seen[0]),
        gains=None if is_even else _as_kind(uniform.gains, seen[0]),
        reach=COLOR_SIGMA * scale,
        bent=bent,
    )


def _loud(spectrum: Array, level: Array, *, coded: bool) -> NDArray[np.bool_]:
    """Channels (C,) whose diagonal differences tell the noise: those of JPEG pictures with little noise are mostly 0."""
    expected = expected_variance(spectrum) * level.mean(axis=0)
    result: NDArray[np.bool_] = expected > (LOUD_DIFFERENCE**2 if coded else 0)
    return result


def _pixels(windows: list[Array]) -> tuple[Array, Array] | None:
    """Patches of windows (H, W, C) without the lines of their spectra, and without those that have gaps; see `_patches`. With each its
    shares of pixels at black or white or beyond, (P, C)."""
    unknown = [np.isnan(window) for window in windows]
    has_gaps = any(each.any() for each in unknown)
    if has_gaps:
        windows = [np.where(gaps, np.float32(0), window) for gaps, window in zip(unknown, windows, strict=True)]
    lines = find_lines(windows)
    windows = [without_lines(window, lines) for window in windows] if lines else windows
    step = _lattice_step(windows)
    if step is None:
        return None
    pixels, cut = _patches(windows, step), np.concatenate([_cut(window, step) for window in windows])
    if not has_gaps:
        return pixels, cut
    whole = ~np.any(_patches(unknown, step), axis=(1, 2, 3))
    return pixels[whole], cut[whole]


def _cut(window: Array, step: int) -> Array:
    """The share of pixels at black or white or beyond in each patch of a window (H, W, C), (P, C)."""
    rows, columns = (len(range(0, side - PATCH_PIXELS + 1, step)) for side in window.shape[:2])
    if window.min() > 0 and window.max() < 1:  # as in most pictures
        return np.zeros((rows * columns, window.shape[2]), np.float32)
    counts = (window <= 0) | (window >= 1)
    for axis in (0, 1):  # sums over whole patches, as differences of sums from the first pixel on
        sums = np.cumsum(np.moveaxis(counts, axis, 0), axis=0, dtype=np.uint16)
        before = np.concatenate([np.zeros_like(sums[:1]), sums])
        counts = np.moveaxis(sums[PATCH_PIXELS - 1 :: step] - before[: len(sums) - PATCH_PIXELS + 1 : step], 0, axis)
    return counts.reshape(-1, window.shape[2]) / np.float32(PATCH_PIXELS**2)


def _stabilizations(pixels: Array) -> list[VarianceStabilization] | None:
    """What evens out the noise of each channel, from patches of values in proportion to light (P, C, …). None: nothing varies."""
    spectra, means = dct_powers(pixels)
    patches = PatchSpectra(without_peaks(spectra), means, np.zeros_like(means))
    patches = patches.chosen(np.any(spectra.sum(axis=(2, 3)) > CONSTANT, axis=1))
    if len(patches.means) < FEWEST:
        return None
    _, curves, shapes = fit_plainest(patches, IN_A_POINT_OF_A_LINE)
    return [
        VarianceStabilization.fit(brightness, variance * shape.mean())
        for (brightness, variance), shape in zip(curves, shapes, strict=True)
    ]


def _variance_by_brightness(
    brightness: Array, curves: list[Curve], stabilizations: list[VarianceStabilization] | None
) -> Array:
    """The curves at these brightnesses, (C, N), of values that are not stabilized."""
    if not stabilizations:
        return np.stack([np.interp(brightness, *curve) for curve in curves])
    rows = []
    for curve, stabilization in zip(curves, stabilizations, strict=True):
        stabilized = stabilization.forward(brightness)
        rows.append(np.interp(stabilized, *curve) / stabilization.derivative(stabilized) ** 2)
    return np.stack(rows)


def _lattice_step(windows: list[Array]) -> int | None:
    """The step of a lattice of about `PATCHES` patches, odd where it is not small. None: no window holds a patch."""
    area = sum(max(w.shape[0] - PATCH_PIXELS + 1, 0) * max(w.shape[1] - PATCH_PIXELS + 1, 0) for w in windows)
    if not area:
        return None
    return 4 if area / 16 <= PATCHES else max(4, round(float(np.sqrt(area / PATCHES))) | 1)


def _patches(windows: list[Array], step: int) -> Array:
    """The patches of a lattice, (P, C, PATCH_PIXELS, PATCH_PIXELS)."""
    channels = windows[0].shape[2]
    views = [
        np.lib.stride_tricks.sliding_window_view(w, (PATCH_PIXELS, PATCH_PIXELS), axis=(0, 1))[::step, ::step]
        for w in windows
        if min(w.shape[:2]) >= PATCH_PIXELS
    ]
    return np.concatenate([view.reshape(-1, channels, PATCH_PIXELS, PATCH_PIXELS) for view in views])


def _unconfirmed(found: Plateaus) -> Plateaus:
    """A plateau at the highest frequencies alone would be white noise. Where differences of channels show none, it is texture."""
    trust = found.trust.copy()
    trust[-1] = min(trust[-1], trust[-2])
    return replace(found, trust=trust)


def _left_by_cuts(cut: Array) -> Array:
    """What black and white leave of the variance where they cut off most pixels, (P, C).

    Curves hold the effect where fewer pixels are cut off. The power is a fit to normal noise.
    """
    return np.where(cut <= MAX_CLIPPED_SHARE, 1, (1 - cut) ** 1.5)


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
