"""Bounded removal: no more is removed from a picture than the noise that was measured in it.

The bound holds at each place, scale and frequency. The residual, noisy − restored, is examined at three scales: means
of 16×16 pixels, means of 4×4 pixels, and single pixels. At each scale it is cut into overlapping blocks of 8×8 values,
and each block goes through a cosine transform. The noise model gives the standard deviation of noise in each
coefficient. A residual above this limit contains structure. The excess is put back. There are four kinds of excess:

- a single coefficient far above the noise's standard deviation (hard thresholding of the residual);
- the power of one frequency in a square of 4×4 blocks, all channels together: a repeating pattern;
- the power of all frequencies in such a square: a fine texture;
- a mean that is off by more than its uncertainty plus the bias of clipped or compressed noise (`noise_bias`). So local
  means of the result follow those of the noisy picture.

The residual of a denoiser is called method noise: Buades, Coll and Morel, "A review of image denoising algorithms, with
a new one", Multiscale Modeling and Simulation, 2005. The bounds by place, scale and frequency are our own.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.noise.noise_model import BLOCK_SAMPLES, NoiseModel

STRIDE_SAMPLES = 4
"""Distance between blocks in samples, and the side of the cells for which brightness is computed. A sample is a pixel
or a mean."""
SCALES_PIXELS = 16, 4, 1
"""The scales: sides in pixels of the means that blocks consist of."""
SQUARE_BLOCKS = 4
"""Side in blocks of the squares over which powers are averaged."""
ALIGN_PIXELS = 64
"""Regions that begin at multiples of this many pixels agree with the whole picture, except near their borders. Blocks
of the coarsest scale, and squares of the next one, begin at these multiples."""
RADIUS_PIXELS = 256
"""Upper bound of the radius in pixels within which pixels influence each other: 144 at the coarsest scale, then 84 and
20."""
STRIP_SQUARES = 2
"""Rows of squares that are processed together. Their intermediate results fit into the processor's cache."""
COEFFICIENT_LIMIT_SIGMAS = {1: 4.5, 4: 5.0, 16: 5.0}
"""By scale: the limit of a single coefficient, in standard deviations of the noise. Noise does not exceed it."""
MEAN_LIMIT_SIGMAS = {1: 2.6, 4: 2.6, 16: 3.5}
"""By scale: the limit of a block's mean. It is lower, since a wrong mean is easily seen and means of noise are nearly
normal."""
PATTERN_POWER_RATIOS = {1: (3.0, 4.0), 4: (5.0, 7.0)}
"""By scale: power of one frequency in a square, divided by the noise's power. Nothing is put back up to the first
ratio, all from the second on. At the coarsest scale, squares would be too large, so only single blocks are examined."""
TEXTURE_POWER_RATIOS = 1.6, 2.4
"""The same two ratios for the mean power of all frequencies in a square. Used at the scale of single pixels only."""
MAX_POWER_RATIO = 5.0
"""The power ratio of each frequency is limited to this in the mean over all frequencies. Else a pattern or an edge
counts as texture."""
DOUBT_SHARE = 1.0
"""Where the noise model is in doubt, noise in textures may be stronger by this share of its standard deviation."""
SHIFT_SLACK_FACTOR = 1.25
"""The explained shift of a mean is multiplied by this before it is compared with the residual."""


def bounded_removal(noisy: Tensor, restored: Tensor, noise: NoiseModel, detail: float = 1.0) -> Tensor:
    """Put back what was removed beyond the noise.

    Args:
        noisy, restored: (1, C, H, W) each, float32 in the picture's unit, with the C channels of `noise`.
        noise: the result of `estimate_noise`.
        detail: 0..1, the share of the excess that is put back.

    Returns:
        (1, C, H, W), not clipped. If `noise.is_none`, a copy of `noisy`, bit for bit.

    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> noisy = 0.5 + 0.02 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> wrong = torch.full_like(noisy, 0.4)
    >>> bounded = bounded_removal(noisy, wrong, estimate_noise(RegionSource.of(noisy)))
    >>> abs(bounded.mean().item() - 0.5) < 0.002
    True
    """
    if noise.is_none:
        return noisy.clone()
    height, width = noisy.shape[-2:]
    seen = _cells(noisy[0], STRIDE_SAMPLES)  # (C, h, w), brightness
    around = _upsample(_cells(seen, STRIDE_SAMPLES), STRIDE_SAMPLES, seen.shape)  # less noisy, for shifts of the mean
    variance = noise.variance_at(seen)
    ends = [SHIFT_SLACK_FACTOR * noise.at(curve, around) for curve in (noise.below, noise.above)]
    result = restored[0].clone()
    for scale in SCALES_PIXELS:
        if scale > 1 and min(height, width) < scale * BLOCK_SAMPLES:
            continue
        residual = noisy[0] - result
        cells = max(scale // STRIDE_SAMPLES, 1)
        own, below, above = (_cells(x, cells) for x in (variance, *ends))
        found = _excess(_cells(residual, scale), own, below, above, noise, scale)  # (C, ⌈H / scale⌉, ⌈W / scale⌉)
        if found is None:
            continue
        if scale > 1:
            found = F.interpolate(found[None].contiguous(), scale_factor=scale, mode="bilinear")[0, :, :height, :width]
        result += found
    return restored.lerp(result[None], detail) if detail < 1 else result[None]


def _excess(residual: Tensor, variance: Tensor, below: Tensor, above: Tensor, noise: NoiseModel, scale: int) -> Tensor | None:
    """The part of a residual that exceeds the noise, (C, h, w) → (C, h, w); None: there is none.

    Args:
        residual: means of squares with a side of `scale` pixels.
        variance: variance of the noise, for cells of 4×4 pixels at scale 1, else for each mean.
        below, above: the explained shift of the mean, down and up, for the same cells or means.
    """
    height, width = residual.shape[-2:]
    residual = _extend_to_blocks(residual)
    rows, columns = (length // STRIDE_SAMPLES - 1 for length in residual.shape[-2:])  # numbers of blocks
    if scale == 1:
        variance, below, above = (F.avg_pool2d(_extend(x, rows + 1, columns + 1), 2, 1) for x in (variance, below, above))
    else:
        variance, below, above = (
            F.avg_pool2d(_extend_to_blocks(variance), BLOCK_SAMPLES, STRIDE_SAMPLES),
            _extend_to_blocks(below),
            _extend_to_blocks(above),
        )
    forward, backward = _transforms(noise, scale)
    result: Tensor | None = None  # sums of blocks, (C, rows + 1, columns + 1, 16) by cell
    step = STRIP_SQUARES * SQUARE_BLOCKS
    for top in range(0, rows, step):
        part = slice(top, min(top + step, rows))
        pixels = slice(part.start * STRIDE_SAMPLES, (part.stop + 1) * STRIDE_SAMPLES)
        sigma = variance[:, part, :, None].clamp(min=noise.floor**2).sqrt()  # (C, r, columns, 1)
        u = (_blocks(residual[:, pixels]) @ forward).reshape(*sigma.shape[:3], -1)
        u /= sigma  # (C, r, columns, 64); pure noise has variance 1
        if scale == 1:
            unit = forward[:, :1, :1] * BLOCK_SAMPLES**2 / sigma[..., 0]  # coefficient of a mean of 1, in standard deviations
            u[..., 0] -= u[..., 0].clamp(unit * below[:, part], unit * above[:, part])
        else:
            low, high = ((_blocks(x[:, pixels]) @ forward).reshape(u.shape) / sigma for x in (below, above))
            u -= u.clamp(torch.minimum(low, high).clamp(max=0), torch.maximum(low, high).clamp(min=0))
        places, coefficients = _returned(u, scale)
        if not len(places):
            continue
        if result is None:
            result = residual.new_zeros(len(residual), rows + 1, columns + 1, STRIDE_SAMPLES**2)
        coefficients *= sigma[tuple(places.T)]
        places[:, 1] += top
        _overlap_add(result, places, coefficients, backward)
    return None if result is None else _overlap_mean(_values_by_row(result))[:, :height, :width]


def _returned(u: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """The blocks of which something is put back.

    Args:
        u: (C, r, columns, 64) coefficients, in standard deviations of the noise.

    Returns:
        N places (N, 3) as channel, row and column, in order of channels, and what is put back of their coefficients, (N, 64).
    """
    power = u.square()
    limits = _limits(scale).to(u)
    power[..., 0] *= limits[1] / limits[0]  # one limit for all is much faster; shares leave the mean out
    active = power.amax(-1) > limits[1]  # (C, r, columns)
    share = _square_shares(power, scale) if scale in PATTERN_POWER_RATIOS else None  # (⌈r / 4⌉, ⌈columns / 4⌉, 64)
    if share is not None:
        squares = share.amax(-1) > 0
        if squares.any():
            active |= squares.repeat_interleave(SQUARE_BLOCKS, 0).repeat_interleave(SQUARE_BLOCKS, 1)[
                : u.shape[1], : u.shape[2]
            ]
    places = active.nonzero()
    channel, row, column = places.unbind(1)
    own = u[channel, row, column]
    kept = (own.square() > limits).to(u)
    if share is not None:
        kept = torch.maximum(kept, share[row // SQUARE_BLOCKS, column // SQUARE_BLOCKS])
    return places, own * kept


def _square_shares(power: Tensor, scale: int) -> Tensor:
    """Shares by the mean power in squares of blocks, all channels together, (C, r, columns, 64) → (⌈r / 4⌉, ⌈columns / 4⌉,
    64). The share of the mean is 0."""
    channels, rows, columns = power.shape[:3]
    total = _sum(power)  # (r, columns, 64)
    lines = torch.stack([_sum(total[top : top + SQUARE_BLOCKS]) for top in range(0, rows, SQUARE_BLOCKS)])
    padded = F.pad(lines, (0, 0, 0, -columns % SQUARE_BLOCKS))
    sums = padded.reshape(len(lines), -1, SQUARE_BLOCKS, BLOCK_SAMPLES**2).sum(2)
    counts = channels * _blocks_per_square(rows)[:, None] * _blocks_per_square(columns)  # number of blocks in each square
    mean = sums / counts.to(sums)[..., None]
    share = _linear_share(mean, *PATTERN_POWER_RATIOS[scale])
    if scale == 1:
        share = torch.maximum(
            share, _linear_share(mean[..., 1:].clamp(max=MAX_POWER_RATIO).mean(-1, keepdim=True), *TEXTURE_POWER_RATIOS)
        )
    share[..., 0] = 0
    return share


def _sum(x: Tensor) -> Tensor:
    """The sum over the first axis. `Tensor.sum` takes ten times as long for a short first axis."""
    total = x[0].clone()
    for part in x[1:]:
        total += part
    return total


def _linear_share(power: Tensor, none: float, whole: float) -> Tensor:
    """0 up to the power `none`, 1 from `whole` on, linear between them."""
    return ((power - none) / (whole - none)).clamp(0, 1)


def _blocks_per_square(length: int) -> Tensor:
    """The number of blocks in each square along one axis of `length` blocks."""
    counts = torch.full((-(-length // SQUARE_BLOCKS),), SQUARE_BLOCKS)
    counts[-1] -= -length % SQUARE_BLOCKS
    return counts


@lru_cache
def _limits(scale: int) -> Tensor:
    """Limits of the power of single coefficients, (64,)."""
    limits = torch.full((BLOCK_SAMPLES**2,), COEFFICIENT_LIMIT_SIGMAS[scale] ** 2)
    limits[0] = MEAN_LIMIT_SIGMAS[scale] ** 2
    return limits


def _transforms(noise: NoiseModel, scale: int) -> tuple[Tensor, Tensor]:
    """The matrices that transform a block of 64 values into coefficients and back, (C, 64, 64) each.

    The coefficients are in standard deviations of the noise, for noise of variance 1.
    """
    variance = noise.coefficients(scale).reshape(-1, BLOCK_SAMPLES**2) * (1 + DOUBT_SHARE * noise.doubt) ** 2  # (C, 64)
    sigma = variance.clamp(min=1e-8 * variance.max().item()).sqrt()
    basis = _basis().to(sigma)  # (64 coefficients, 64 values)
    return basis.T / sigma[:, None], basis * sigma[..., None]


@lru_cache
def _basis() -> Tensor:
    """The orthonormal cosine transform (DCT-II) of 8×8 values, (64, 64).

    Each row is a coefficient; the mean is first. The values are in the order of `_blocks`.
    """
    k = torch.arange(BLOCK_SAMPLES, dtype=torch.float64)
    rows = torch.cos(math.pi * (k + 0.5) * k[:, None] / BLOCK_SAMPLES) * math.sqrt(2 / BLOCK_SAMPLES)
    rows[0] /= math.sqrt(2)
    basis = torch.kron(rows, rows).reshape(BLOCK_SAMPLES**2, 2, STRIDE_SAMPLES, 2, STRIDE_SAMPLES)
    return basis.transpose(2, 3).reshape(BLOCK_SAMPLES**2, BLOCK_SAMPLES**2).float()


def _values_by_cell(x: Tensor) -> Tensor:
    """Group the values by cell: (C, h, w) → (C, h / 4, w / 4, 16)."""
    channels, height, width = x.shape
    return (
        x.reshape(channels, height // STRIDE_SAMPLES, STRIDE_SAMPLES, width // STRIDE_SAMPLES, STRIDE_SAMPLES)
        .transpose(2, 3)
        .flatten(3)
    )


def _blocks(x: Tensor) -> Tensor:
    """Overlapping blocks of 2×2 cells, ordered by cell: (C, h, w) → (C, (h / 4 − 1)·(w / 4 − 1), 64)."""
    cells = _values_by_cell(x)
    rows, columns = cells.shape[1] - 1, cells.shape[2] - 1
    corners = [cells[:, down : rows + down, right : columns + right] for down in range(2) for right in range(2)]
    return torch.cat(corners, dim=-1).flatten(1, 2)


def _overlap_add(cells: Tensor, places: Tensor, coefficients: Tensor, backward: Tensor) -> None:
    """Transform the blocks at some places back, and add them to the cells (C, rows + 1, columns + 1, 16) that they cover."""
    counts = torch.bincount(places[:, 0], minlength=len(cells)).tolist()
    for own, at, some, transform in zip(
        cells, torch.split(places, counts), torch.split(coefficients, counts), backward, strict=True
    ):
        values = some @ transform  # (n, 64)
        first = at[:, 1] * own.shape[1] + at[:, 2]
        for corner in range(4):
            down, right = divmod(corner, 2)
            piece = values[:, corner * STRIDE_SAMPLES**2 : (corner + 1) * STRIDE_SAMPLES**2]
            own.view(-1, STRIDE_SAMPLES**2).index_add_(0, first + (down * own.shape[1] + right), piece)


def _values_by_row(cells: Tensor) -> Tensor:
    """The inverse of `_values_by_cell`: (C, h, w, 16) → (C, 4·h, 4·w)."""
    channels, rows, columns = cells.shape[:3]
    return (
        cells.reshape(channels, rows, columns, STRIDE_SAMPLES, STRIDE_SAMPLES)
        .transpose(2, 3)
        .reshape(channels, rows * STRIDE_SAMPLES, -1)
    )


def _overlap_mean(total: Tensor) -> Tensor:
    """Turn sums of blocks into means. Four blocks cover a pixel, two at an edge, one in a corner."""
    total = total / 4
    for edge in (slice(0, STRIDE_SAMPLES), slice(-STRIDE_SAMPLES, None)):
        total[:, edge] *= 2
        total[:, :, edge] *= 2
    return total


def _extend_to_blocks(x: Tensor) -> Tensor:
    """Extend to a multiple of the stride, and to at least one block, by repeating the edge."""
    rows, columns = (max(-(-length // STRIDE_SAMPLES) * STRIDE_SAMPLES, BLOCK_SAMPLES) for length in x.shape[-2:])
    return _extend(x, rows, columns)


def _extend(x: Tensor, rows: int, columns: int) -> Tensor:
    """Extend by repeating the edge, (C, h, w) → (C, rows, columns)."""
    if x.shape[-2:] == (rows, columns):
        return x
    return F.pad(x[None], (0, columns - x.shape[-1], 0, rows - x.shape[-2]), mode="replicate")[0]


def _cells(x: Tensor, side: int) -> Tensor:
    """Means of square cells, (C, h, w) → (C, ⌈h / side⌉, ⌈w / side⌉). Incomplete cells are extended first."""
    if side == 1:
        return x
    height, width = (-(-length // side) for length in x.shape[-2:])
    sums = _extend(x, height * side, width * side).reshape(-1, height, side, width * side).sum(2)
    # A product of matrices is faster than a pooling layer
    return (sums.reshape(-1, side) @ sums.new_full((side, 1), 1 / side**2)).reshape(-1, height, width)


def _upsample(x: Tensor, side: int, shape: torch.Size) -> Tensor:
    """Repeat each value `side` times along both axes, and crop to `shape`."""
    return x.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., : shape[-2], : shape[-1]]
