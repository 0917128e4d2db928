"""What of a residual exceeds the noise, at one scale.

The residual is cut into overlapping blocks of 8×8 samples, and each block goes through a cosine transform. Single coefficients,
frequencies, textures and means have limits of their own; see `bounded_removal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import device
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.inference.overlapping_blocks import (
    STRIDE_SAMPLES,
    cell_means,
    cosine_basis,
    extend,
    extend_to_blocks,
    overlap_add,
    overlap_mean,
    overlapping_blocks,
    repeat_cells,
    values_by_row,
)
from unnoise.inference.removal_risk import removal_weights, second_blocks
from unnoise.noise.noise_model import BLOCK_SAMPLES, NoiseModel
from unnoise.photometry.array_ops import clip, copy, device_kind
from unnoise.photometry.array_threads import in_order
from unnoise.photometry.array_windows import block_means, convert_like, places_of, repeat_each, runs

SQUARE_BLOCKS = 4
"""Side in blocks of the squares over which powers are averaged."""
STRIP_BLOCKS = {"cpu": 2**12, "cuda": 2**18}
"""About how many blocks are processed together. On a CPU their coefficients then stay in its caches."""
COEFFICIENT_LIMIT_SIGMAS = {1: 5.5, 4: 5.0, 16: 5.0}
"""By scale: the limit of a single coefficient, in standard deviations of the noise. Noise does not exceed it."""
MEAN_LIMIT_SIGMAS = {1: 2.6, 4: 2.6, 16: 3.5}
"""By scale: the limit of a block's mean. It is lower, since a wrong mean is easily seen and means of noise are nearly
normal."""
PATTERN_POWER_RATIOS = {1: (3.0, 4.0), 4: (5.0, 7.0)}
"""By scale: power of one frequency in a square, divided by the noise's power. Nothing is put back up to the first
ratio, all from the second on. At the coarsest scale, squares would be too large, so only single blocks are examined."""
TEXTURE_POWER_RATIOS = 1.4, 1.9
"""The same two ratios for the mean power of all frequencies in a square. Used at the scale of single pixels only."""
MAX_POWER_RATIO = 5.0
"""The power ratio of each frequency is limited to this in the mean over all frequencies. Else a pattern or an edge
counts as texture."""
MEAN_POWER_RATIOS = 3.0, 4.0
"""The same two ratios for the mean of a block, with all of its explained shift. Where nearly everything has to be put back, the
network's mean is not to be trusted either. Text on white had become brighter than it was."""
DOUBT_SHARE = 1.0
"""Where the noise model is in doubt, noise in textures may be stronger by this share of its standard deviation."""
SHIFT_SLACK_FACTOR = 1.25
"""The explained shift of a mean is multiplied by this before it is compared with the residual."""


@dataclass(frozen=True)
class Limits:
    """What noise explains, for each cell of 4×4 pixels, mean or block, (C, h, w) each.

    >>> one = np.ones((1, 8, 8), np.float32)
    >>> Limits(one, 0 * one, 0 * one).of_blocks().variance.shape
    (1, 7, 7)
    """

    variance: Any
    """Of the noise."""
    below: Any
    """The explained shift of the mean downwards, 0 or less."""
    above: Any
    """The explained shift upwards, 0 or more."""

    @classmethod
    def of(cls, seen: Any, noise: NoiseModel) -> Limits:
        """Those of cells whose means in the noisy picture are `seen`, (C, h, w)."""
        around = repeat_cells(
            cell_means(seen, STRIDE_SAMPLES), STRIDE_SAMPLES, seen.shape
        )  # less noisy, for shifts of the mean
        return cls(
            noise.variance_at(seen), *(SHIFT_SLACK_FACTOR * noise.at(curve, around) for curve in (noise.below, noise.above))
        )

    def rows(self, rows: slice) -> Limits:
        """Those of some rows of cells."""
        return self._each(lambda x: x[:, rows])

    def of_cells(self, side: int) -> Limits:
        return self._each(lambda x: cell_means(x, side))

    def of_blocks(self) -> Limits:
        """Means over blocks of 2×2 cells."""
        return self._each(lambda x: block_means(extend(x, *(max(length, 2) for length in x.shape[-2:])), 2, 1))

    def of_means(self) -> Limits:
        """The variance as the mean over each block, and shifts for each mean, extended to whole blocks."""
        variance, below, above = (extend_to_blocks(x) for x in (self.variance, self.below, self.above))
        return Limits(block_means(variance, BLOCK_SAMPLES, STRIDE_SAMPLES), below, above)

    def _each(self, change: Callable[[Any], Any]) -> Limits:
        return Limits(change(self.variance), change(self.below), change(self.above))


def returned_means(residual: Any, limits: Limits, noise: NoiseModel, scale: int) -> Any | None:
    """What of a residual (C, h, w) exceeds the noise, the same shape; None: nothing.

    Args:
        residual: means of squares with a side of `scale` pixels.
        limits: for each mean.
        noise, scale: as for `put_back`.

    >>> from unnoise.noise.noise_model import KNOTS
    >>> nothing = np.zeros((1, KNOTS), np.float32)
    >>> noise = NoiseModel(0.0, 1.0, nothing + 1e-4, np.ones((1, 16, 16), np.float32), 0.01, 0.0, nothing, nothing)
    >>> limits = Limits.of(np.full((1, 32, 32), 0.5, np.float32), noise)
    >>> returned_means(np.full((1, 32, 32), 0.0005, np.float32), limits, noise, 4) is None  # noise of 0.01 has such means
    True
    """
    found: list[Any] = []

    def write(rows: slice, values: Any) -> None:
        if not found:
            found.append(array_namespace(residual).zeros_like(residual))
        found[0][:, rows] += values[..., : residual.shape[-1]]

    put_back(lambda rows: residual[:, rows], write, residual.shape, limits.of_means(), noise, scale)
    return found[0] if found else None


def put_back(
    read: Callable[[slice], Any],
    write: Callable[[slice, Any], None],
    shape: Sequence[int],
    limits: Limits,
    noise: NoiseModel,
    scale: int,
    seen: Any | None = None,
) -> None:
    """Find what exceeds the noise in a residual, strip by strip.

    Args:
        read: gives rows of the residual, (C, rows, width); each row is read once, and in order.
        write: takes what is put back to some rows, (C, rows, width) or wider, after the row was read.
        shape: (C, height, width) of the residual.
        limits: for each block; below and above at a coarse scale for each mean.
        noise: the noise.
        scale: the residual's samples are means of squares of this side in pixels.
        seen: the noisy picture (C, height, width), if the risk of the removal counts.

    >>> from unnoise.noise.noise_model import KNOTS
    >>> nothing = np.zeros((1, KNOTS), np.float32)
    >>> noise = NoiseModel(0.0, 1.0, nothing + 1e-4, np.ones((1, 16, 16), np.float32), 0.01, 0.0, nothing, nothing)
    >>> limits = Limits.of(np.full((1, 8, 8), 0.5, np.float32), noise).of_blocks()
    >>> residual, found = np.zeros((1, 32, 32), np.float32), []
    >>> residual[0, 16, 16] = 1  # a hundred times the noise
    >>> put_back(lambda rows: residual[:, rows], lambda rows, values: found.append(values), (1, 32, 32), limits, noise, 1)
    >>> round(float(max(values.max() for values in found)), 1)
    1.0
    """
    channels, height, width = shape
    rows, columns = (max(-(-length // STRIDE_SAMPLES), 2) - 1 for length in (height, width))  # numbers of blocks
    xp = array_namespace(limits.variance)
    forward, backward = _transforms(noise, scale)
    square_rows = STRIP_BLOCKS.get(device_kind(limits.variance), STRIP_BLOCKS["cuda"]) // (columns * SQUARE_BLOCKS)
    step = max(square_rows, 1) * SQUARE_BLOCKS

    def strips() -> Iterator[tuple[slice, Any]]:
        lower: Any | None = None  # the residual in the last row of cells of the strip above
        for top in range(0, rows, step):
            part = slice(top, min(top + step, rows))
            first = part.start if lower is None else part.start + 1  # row of cells
            new = slice(first * STRIDE_SAMPLES, min((part.stop + 1) * STRIDE_SAMPLES, height))
            strip = extend(read(new), (part.stop + 1 - first) * STRIDE_SAMPLES, (columns + 1) * STRIDE_SAMPLES)
            strip = strip if lower is None else xp.concat([lower, strip], axis=-2)
            lower = strip[:, -STRIDE_SAMPLES:]
            yield part, strip

    def examined(each: tuple[slice, Any]) -> tuple[slice, Any, Any]:
        part, strip = each
        sigma = xp.sqrt(clip(limits.variance[:, part, :, None], noise.floor**2))  # (C, r, columns, 1)
        u, explained = _coefficients(strip, forward, sigma, limits, part, scale)
        own: list[Any] | None = None
        if seen is not None:
            noisy = seen[:, part.start * STRIDE_SAMPLES : (part.stop + 1) * STRIDE_SAMPLES]
            own = second_blocks(extend(noisy, *strip.shape[-2:]), forward, sigma)
        places, coefficients = _returned(u, scale, explained, own)
        coefficients *= sigma[tuple(places.T)]
        return part, places, coefficients

    pending: Any | None = None  # what is put back to the last row of cells of the strip above, (C, columns + 1, 16)
    for part, places, coefficients in in_order(examined, strips(), limits.variance):
        if not len(places) and pending is None:
            continue
        shape_of_cells = channels, part.stop - part.start + 1, columns + 1, STRIDE_SAMPLES**2
        total = xp.zeros(shape_of_cells, dtype=coefficients.dtype, device=device(coefficients))
        if pending is not None:
            total[:, 0] = pending
        overlap_add(total, places, coefficients, backward)
        done = slice(0, None if part.stop == rows else -1)
        pending = copy(total[:, -1])
        values = overlap_mean(values_by_row(total[:, done]), part.start == 0, part.stop == rows)
        goes = slice(part.start * STRIDE_SAMPLES, min(part.start * STRIDE_SAMPLES + values.shape[-2], height))
        write(goes, values[:, : goes.stop - goes.start])


def _coefficients(strip: Any, forward: Any, sigma: Any, limits: Limits, part: slice, scale: int) -> tuple[list[Any], list[Any]]:
    """The coefficients of a strip's blocks in standard deviations of the noise, (r, columns, 64) for each channel.

    Pure noise has variance 1. The explained shift of the mean is taken off, and returned too: (r, columns) for each channel,
    at the scale of single pixels only.
    """
    xp = array_namespace(strip)
    result, explained = [], []
    for channel, (values, transform, own) in enumerate(zip(strip, forward, sigma, strict=True)):
        u = (overlapping_blocks(values) @ transform).reshape(*own.shape[:2], -1)
        u /= own
        below, above = limits.below[channel], limits.above[channel]
        if scale == 1:
            unit = transform[0, 0] * BLOCK_SAMPLES**2 / own[..., 0]  # coefficient of a mean of 1, in standard deviations
            explained.append(clip(u[..., 0], unit * below[part], unit * above[part]))
            u[..., 0] -= explained[-1]
        else:
            pixels = slice(part.start * STRIDE_SAMPLES, (part.stop + 1) * STRIDE_SAMPLES)
            low, high = ((overlapping_blocks(x[pixels]) @ transform).reshape(u.shape) / own for x in (below, above))
            u -= clip(u, clip(xp.minimum(low, high), None, 0), clip(xp.maximum(low, high), 0))
        result.append(u)
    return result, explained


def _returned(u: Sequence[Any], scale: int, explained: Sequence[Any], noisy: Sequence[Any] | None = None) -> tuple[Any, Any]:
    """The blocks of which something is put back.

    Args:
        u, explained: as `_coefficients` returns them.
        noisy: those of the noisy picture in every second block, if the risk of the removal counts.

    Returns:
        N places (N, 3) as channel, row and column, in order of channels, and what is put back of their coefficients, (N, 64).
    """
    xp = array_namespace(u[0])
    limits = convert_like(_limits(scale), u[0])
    found = []
    total: Any = None
    for own in u:
        power = xp.square(own)
        power[..., 0] *= limits[1] / limits[0]  # one limit for all is much faster; shares leave the mean out
        found.append(xp.max(power, axis=-1) > limits[1])  # (r, columns)
        if scale in PATTERN_POWER_RATIOS:
            sums = _square_sums(power)
            total = sums if total is None else total + sums
    active = xp.stack(found)
    share = None if total is None else _square_shares(total, len(u), active.shape[1:], scale)
    if share is not None:
        if noisy is not None:
            share = _with_risk(share, u, noisy, limits)
        squares = xp.max(share, axis=-1) > 0
        if bool(xp.any(squares)):
            wide = repeat_each(repeat_each(squares, SQUARE_BLOCKS, 0), SQUARE_BLOCKS, 1)
            active |= wide[: active.shape[1], : active.shape[2]]
    places = places_of(active)
    row, column = places[:, 1], places[:, 2]
    counts = [int((places[:, 0] == channel).sum()) for channel in range(len(u))]
    parts = list(runs(counts))
    own = xp.concat([each[row[part], column[part]] for each, part in zip(u, parts, strict=True)])
    kept = xp.astype(xp.square(own) > limits, own.dtype)
    if share is not None:
        of_places = share[row // SQUARE_BLOCKS, column // SQUARE_BLOCKS]
        kept = xp.maximum(kept, of_places)
        if explained:
            shift = xp.concat([each[row[part], column[part]] for each, part in zip(explained, parts, strict=True)])
            own[:, 0] += of_places[:, 0] * shift
    return places, own * kept


def _with_risk(share: Any, u: Sequence[Any], noisy: Sequence[Any], limits: Any) -> Any:
    """Shares of squares (R, S, 64) that are put back, with what is put back of the rest because of its risk."""
    xp = array_namespace(share)
    rows, columns = noisy[0].shape[:2]
    removed = 1 - repeat_each(repeat_each(share, 2, 0)[:rows], 2, 1)[:, :columns]
    left = []
    for own in u:
        some = own[::2, ::2]
        left.append(xp.where(xp.square(some) <= limits, some, 0 * some) * removed)
    total = 1 - (1 - share) * removal_weights(left, noisy)[..., None]
    total[..., 0] = share[..., 0]
    return total


def _square_sums(power: Any) -> Any:
    """Sums over squares of 4×4 blocks, (r, columns, 64) → (⌈r / 4⌉, ⌈columns / 4⌉, 64)."""
    xp = array_namespace(power)
    for axis in range(2):
        count = power.shape[axis]
        whole = count // SQUARE_BLOCKS * SQUARE_BLOCKS
        before = (slice(None),) * axis
        parts = []
        if whole:
            groups = power[(*before, slice(0, whole))]
            groups = xp.reshape(groups, (*power.shape[:axis], -1, SQUARE_BLOCKS, *power.shape[axis + 1 :]))
            parts.append(xp.sum(groups, axis=axis + 1))
        if whole < count:
            parts.append(xp.sum(power[(*before, slice(whole, count))], axis=axis, keepdims=True))
        power = parts[0] if len(parts) == 1 else xp.concat(parts, axis=axis)
    return power


def _square_shares(sums: Any, channels: int, blocks: Sequence[int], scale: int) -> Any:
    """Shares by the mean power in squares of blocks, all channels together: sums of powers (⌈r / 4⌉, ⌈columns / 4⌉, 64) of
    `channels` times `blocks`, (r, columns) → the same shape. The share of the mean is above 0 only where nearly everything
    is put back."""
    xp = array_namespace(sums)
    rows, columns = (_blocks_per_square(length) for length in blocks)
    mean = sums / convert_like(channels * rows[:, None] * columns, sums)[..., None]
    share = _linear_share(mean, *PATTERN_POWER_RATIOS[scale])
    of_mean: Any = 0
    if scale == 1:
        whole = xp.mean(clip(mean[..., 1:], None, MAX_POWER_RATIO), axis=-1, keepdims=True)
        share = xp.maximum(share, _linear_share(whole, *TEXTURE_POWER_RATIOS))
        of_mean = _linear_share(whole[..., 0], *MEAN_POWER_RATIOS)
    share[..., 0] = of_mean
    return share


def _linear_share(power: Any, none: float, whole: float) -> Any:
    """0 up to the power `none`, 1 from `whole` on, linear between them."""
    return clip((power - none) / (whole - none), 0, 1)


def _blocks_per_square(length: int) -> NDArray[np.int64]:
    """The number of blocks in each square along one axis of `length` blocks."""
    counts = np.full(-(-length // SQUARE_BLOCKS), SQUARE_BLOCKS)
    counts[-1] -= -length % SQUARE_BLOCKS
    return counts


@lru_cache
def _limits(scale: int) -> NDArray[np.float32]:
    """Limits of the power of single coefficients, (64,)."""
    limits = np.full(BLOCK_SAMPLES**2, COEFFICIENT_LIMIT_SIGMAS[scale] ** 2, dtype=np.float32)
    limits[0] = MEAN_LIMIT_SIGMAS[scale] ** 2
    return limits


def _transforms(noise: NoiseModel, scale: int) -> tuple[Any, Any]:
    """The matrices that transform a block of 64 values into coefficients and back, (C, 64, 64) each.

    The coefficients are in standard deviations of the noise, for noise of variance 1.
    """
    xp = array_namespace(noise.spectrum)
    variance = xp.reshape(noise.coefficients(scale), (-1, BLOCK_SAMPLES**2)) * (1 + DOUBT_SHARE * noise.doubt) ** 2  # (C, 64)
    sigma = xp.sqrt(clip(variance, 1e-8 * float(xp.max(variance))))
    basis = convert_like(cosine_basis(), sigma)  # (64 coefficients, 64 values)
    return basis.T / sigma[:, None], basis * sigma[..., None]
