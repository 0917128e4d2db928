"""Measuring the noise of one picture from the picture alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError
from unnoise.images.picture import Layout
from unnoise.images.pixels import check_array, check_range, in_range
from unnoise.noise import advice, flat_patches, jpeg_grid
from unnoise.noise.autocovariance import PATCH_PIXELS, RADIUS_PIXELS
from unnoise.noise.outliers import without_outliers
from unnoise.noise.poisson_gaussian_fit import fit_line
from unnoise.noise.report import ChannelNoise, NoiseReport
from unnoise.noise.row_noise import measure_row_noise
from unnoise.noise.spectral_peaks import without_peaks
from unnoise.photometry.normalization import SAMPLE_VALUES, Normalization, is_measured, scale_of_values
from unnoise.regions import RegionSource, sample_windows

Array = NDArray[Any]

DIM_SHARE = 0.25
"""A measurement whose values fill less than this share of the range of their type is measured on a scale of its own."""
PEAKED = 0.8
"""Where noise is told so much weaker without peaks of spectra, these hold structure. Else they may be those of the noise."""
_OUTLIER_NOTE = "{:.2%} of the pixels lie far from all their neighbors, as hot pixels do; they were left out."
_WINDOW_PIXELS = 352
_MAX_WHOLE_PIXELS = 1_250_000
"""Larger pictures are measured in nine windows of `_WINDOW_PIXELS` pixels a side, spread evenly."""
_STRIPE_WINDOW_PIXELS = 1024
"""Row and column noise of larger pictures is measured in a window of this side in their middle."""
_MIN_RELIABLE_PATCHES = 64
"""Figures from fewer patches are rough."""
_SMOOTHED_CORRELATION = 0.6
"""Noise with a higher correlation of neighbors was smoothed by a camera. Demosaicing alone leaves about 0.5."""


def measure(image: Any, *, name: str = "The image") -> NoiseReport:
    """Measure the noise of one picture: level by brightness, correlation, clipping and JPEG's blocks.

    Levels are in the picture's own values, which for a photograph means after gamma. They hold for flat places, because
    only there can noise be told from the picture. Some cameras smooth flat places more than textures; then textures
    have more noise.

    Args:
        image: one picture: (H, W), (H, W, C) or a tensor, as `unnoise.Model.denoise` takes it. Alpha is ignored. Gray
            floats may be on any scale, which the report then names.
        name: the subject of error messages, for instance the file.

    Returns:
        The report, with advice on strides, blind spots and the recipe, but not on a model. For that see
        `unnoise.models.inspection`.

    Raises:
        UsageError: an image of another kind or shape, or with values that are NaN or infinite.

    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(0.5, 0.05, (128, 128)).astype(np.float32)
    >>> round(measure(noisy).channels[0].level, 2)
    0.05
    """
    pixels, measures = _to_channels_last(image, name)
    stored = pixels.dtype.newbyteorder("=").name
    height, width, channels = pixels.shape
    own = None
    low, high = ends = 0.0, float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    outliers = 0.0
    if pixels.dtype.kind == "f" or measures:
        lowest, highest = _extremes(pixels, name, any_scale=measures)
        if measures:
            pixels, outliers = _without_outliers(pixels)
        kept = (float(pixels.min()), float(pixels.max())) if outliers else (lowest, highest)
        is_dim = measures and 0 < kept[1] - kept[0] < DIM_SHARE * high
        if is_dim or not in_range(lowest / high, highest / high):
            low, high = own = _own_scale(pixels, *kept)
            ends = (lowest, highest) if lowest < highest else own  # the highest value counts as a detector's white
    cut = [[float(np.mean(compare(pixels[..., c], end))) for c in range(channels)] for compare, end in _clipping_tests(ends)]
    windows = [((pixels[place] - np.float64(low)) / (high - low)).astype(np.float32) for place in _places(height, width)]
    score, found, offset = jpeg_grid.grid_score([window.mean(axis=2) for window in windows])
    facts: dict[str, Any] = {
        "height": height,
        "width": width,
        "scale": own,
        "black": cut[0],
        "white": cut[1],
        "blocking": score,
        "blocks_found": found,
        "block_offset": offset,
        "stored": stored,
        "is_measurement": measures,
        "outliers": outliers,
    }
    told = [] if not outliers else [_OUTLIER_NOTE.format(outliers)]
    nothing: dict[str, Any] = {"channels": [], "autocorrelation": None, "detail": None, "flat_patches": 0, "advice": None}
    if min(height, width) < PATCH_PIXELS:
        notes = [f"The picture is too small to measure noise in; at least {PATCH_PIXELS}×{PATCH_PIXELS} pixels are needed."]
        return NoiseReport(**facts, **nothing, level=None, notes=told + notes)
    patches = flat_patches.extract_patches(windows)
    measured = flat_patches.measure_noise(patches)
    if measures and measured:
        calm = flat_patches.measure_noise(replace(patches, powers=without_peaks(patches.powers)))
        if calm and calm.variances.mean() < PEAKED**2 * measured.variances.mean():
            measured = calm
    if measured is None:
        cut_off = max(cut[0][c] + cut[1][c] for c in range(channels)) > flat_patches.MAX_CLIPPED_SHARE
        notes = ["The picture is black or white nearly everywhere, so its noise cannot be measured."] if cut_off else []
        return NoiseReport(**facts, **nothing, level=None if cut_off else 0.0, notes=told + notes)
    fields = _noise_fields(measured, windows, _value_range(windows) if measures else 1.0, measures)
    fields["notes"] = told + fields["notes"]
    shares = _stripe_shares(pixels, fields["level"] * (high - low))
    return NoiseReport(**facts, **fields, row_share=shares[0], column_share=shares[1])


def _stripe_shares(pixels: Array, level: float) -> tuple[float, float]:
    """The share of the noise's variance that row noise has, and column noise; in the middle of a large picture."""
    height, width, _ = pixels.shape
    top, left = max(0, height - _STRIPE_WINDOW_PIXELS) // 2, max(0, width - _STRIPE_WINDOW_PIXELS) // 2
    part = pixels[top : top + _STRIPE_WINDOW_PIXELS, left : left + _STRIPE_WINDOW_PIXELS].astype(np.float64)
    picture: Any = np.moveaxis(part, -1, 0)[None]  # (1, C, h, w)
    found = measure_row_noise(RegionSource.of(picture))
    rows, columns = (float(np.mean([x.row_sigma**2 for x in found])), float(np.mean([x.column_sigma**2 for x in found])))
    if rows == columns == 0:
        return 0.0, 0.0
    mixed = np.diff(np.diff(picture, axis=-1), axis=-2)  # has neither rows' offsets nor columns'
    white = float(np.median(abs(mixed)) * 1.4826 / 2) ** 2
    power = max(level**2, white + rows + columns)
    return rows / power, columns / power


def _extremes(pixels: Array, name: str, *, any_scale: bool) -> tuple[float, float]:
    """The lowest and the highest value. Raises UsageError as `measure` does."""
    bad = pixels.size - int(np.count_nonzero(np.isfinite(pixels)))
    low, high = (math.nan, math.nan) if bad else (float(pixels.min()), float(pixels.max()))
    if bad or not any_scale:
        check_range(low, high, bad, name)
    return low, high


def _own_scale(pixels: Array, low: float, high: float) -> tuple[float, float]:
    """The range of nearly all values; all of them lie between `low` and `high`."""
    step = max(1, math.isqrt(pixels.size // SAMPLE_VALUES))
    scale = scale_of_values(pixels[::step, ::step])
    return (scale.low, scale.high) if scale else (low - 0.5, low + 0.5)


def _value_range(windows: list[Array]) -> float:
    """The size of the range of a measurement that a network sees."""
    scale = scale_of_values(np.concatenate([window.ravel() for window in windows]))
    return scale.high - scale.low if scale else 1.0


def _without_outliers(pixels: Array) -> tuple[Array, float]:
    """The picture without far isolated values, channel by channel, and their share."""
    found = [without_outliers(pixels[..., channel]) for channel in range(pixels.shape[2])]
    share = float(np.mean([one for _, one in found]))
    return (np.stack([plane for plane, _ in found], axis=-1), share) if share else (pixels, 0.0)


def _noise_fields(
    measured: flat_patches.NoiseMeasurement, windows: list[Array], extent: float, measures: bool = False
) -> dict[str, Any]:
    level = float(np.sqrt(measured.variances.mean()))
    power = measured.covariance[0, 0]
    rho = np.clip(measured.covariance / power, -1, 1) if power > 0 else np.zeros_like(measured.covariance)
    rho[0, 0] = 1
    shifts = np.abs(np.arange(-RADIUS_PIXELS, RADIUS_PIXELS + 1))
    notes = []
    if measured.patches < _MIN_RELIABLE_PATCHES:
        notes.append(f"Only {measured.patches} patches could be measured in: these figures are rough.")
    detail = settings = None
    faint = level <= advice.FAINT_SIGMA * min(extent, 1)
    if not faint:
        detail = advice.measure_detail(windows, rho, level**2)
        settings = advice.advise(rho, detail)
    else:
        notes.append(
            "The noise is below a thousandth of the picture's range: there is hardly anything to remove."
            if measures
            else "The noise is fainter than the rounding of the picture's range to 8 bits: there is nothing to remove."
        )
    if not faint and (rho[0, 1] + rho[1, 0]) / 2 > _SMOOTHED_CORRELATION:
        notes.append(
            "The noise of neighbors is nearly the same, as after smoothing or interpolation."
            if measures
            else "The noise looks smoothed by a camera. In textures, which cameras smooth less, it may be a third stronger."
        )
    channels = [
        ChannelNoise(
            level=float(np.sqrt(variance)),
            brightness=[float(x) for x in curve.brightness],
            sigma=[float(x) for x in np.sqrt(curve.variance)],
            fit=fit_line(curve),
        )
        for curve, variance in zip(measured.curves, measured.variances, strict=True)
    ]
    return {
        "level": level,
        "channels": channels,
        "autocorrelation": rho[np.ix_(shifts, shifts)].tolist(),
        "detail": detail,
        "flat_patches": measured.patches,
        "advice": settings,
        "notes": notes,
    }


def _clipping_tests(ends: tuple[float, float]) -> list[tuple[Any, float]]:
    return [(np.less_equal, ends[0]), (np.greater_equal, ends[1])]


def _to_channels_last(image: Any, name: str) -> tuple[Array, bool]:
    """(H, W, C) of uint8, uint16 or float, in its own range, without alpha; and whether its values are measurements."""
    if not isinstance(image, np.ndarray):
        from unnoise.images import to_tensor

        tensor, form = to_tensor(image, name=name, normalization=Normalization())
        if len(tensor) > 1:
            raise UsageError(f"{name} is a batch of {len(tensor)}; inspect one picture at a time.")
        result: Array = tensor[0].permute(1, 2, 0).cpu().numpy()
        return result, is_measured(form.layout.colours, form.dtype)
    check_array(image, name)
    pixels = image if image.ndim == 3 else image[..., None]  # (H, W, C)
    if pixels.shape[2] in (2, 4):
        pixels = pixels[..., :-1]
    return pixels, is_measured(Layout.of(image.shape).colours, image.dtype)


def _places(height: int, width: int) -> list[tuple[slice, slice]]:
    """The whole picture, or windows that start at multiples of 8."""
    if height * width <= _MAX_WHOLE_PIXELS:
        return [(slice(0, height), slice(0, width))]
    return sample_windows((height, width), _WINDOW_PIXELS, jpeg_grid.BLOCK_PIXELS, overlapping=False)


__getattr__ = renamed(__name__, {"inspect": "unnoise.models.inspection:inspect"})
