"""Do no harm: what is taken from a picture is bounded, in every place and at every scale, by the noise that was measured there.

The residual, noisy − restored, is looked at in overlapping blocks of 8×8 under a cosine transform: of pixels, of means of 4×4 pixels and
of means of 16×16, the coarsest first. The noise model says how large each coefficient of noise is. Where the residual has more than
noise can have, structure went with it, and that comes back. More than noise is

- a single coefficient far above the noise's standard deviation (hard thresholding, of the residual);
- the power of one frequency over a square of 4×4 blocks, all channels together: patterns that repeat;
- the power of all frequencies over such a square: fine texture;
- a mean that is off by more than its own uncertainty, beyond what bending and cutting of the noise explain (`noise_bias`). So local means
  follow the noisy picture by construction.

Recycling what a denoiser took away is known as method noise (Buades, Coll and Morel, "A review of image denoising algorithms, with a new
one", Multiscale Modeling and Simulation, 2005). The bounds by place, scale and frequency are our own.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.noise.noise_model import SIDE, NoiseModel

STRIDE = 4
"""Between blocks, in pixels or means; also the side of the cells whose brightness is asked for."""
SCALES = 16, 4, 1
"""Sides in pixels of the means that the blocks are made of."""
SQUARE = 4
"""Blocks along each side of a square, over which powers are averaged."""
ALIGN = 64
"""Parts of a picture that begin at multiples of so many pixels come out as the whole does, away from their borders. Blocks of the
coarsest scale and squares of the next one begin there."""
REACH = 256
"""No further away from a pixel do others matter, in pixels: 144 at the coarsest scale, and 84 and 20 at the others."""
STRIP_SQUARES = 2
"""Rows of squares that are worked on at a time: what is worked out for them stays in a processor's caches."""
SINGLE = {1: 4.5, 4: 5.0, 16: 5.0}
"""By scale: standard deviations that a single coefficient of noise does not exceed."""
MEAN = {1: 2.6, 4: 2.6, 16: 3.5}
"""The same of a block's mean. Lower, since a wrong mean is easily seen, and as means of noise are nearly normal."""
PATTERN = {1: (3.0, 4.0), 4: (5.0, 7.0)}
"""Times the noise's power: one frequency over a square with less than the first comes back not at all, with more than the second whole.
At the coarsest scale blocks are looked at one by one, as squares of them would reach too far."""
TEXTURE = 1.6, 2.4
"""The same for all frequencies of a square, of pixels alone."""
MOST = 5.0
"""No frequency counts for more than so many times the noise's power in that: a pattern or an edge is no texture."""
DOUBT = 1.0
"""In textures noise may be so much stronger, as a share of its standard deviation, where the noise model has doubts."""
SLACK = 1.25
"""Shifts of the mean that are explained may be so many times as large."""


def bounded_removal(noisy: Tensor, restored: Tensor, noise: NoiseModel, detail: float = 1.0) -> Tensor:
    """Put back what was taken beyond the noise.

    Args:
        noisy, restored: (1, C, H, W) each, float32 in the picture's unit; C as in `noise`.
        noise: as `estimate_noise` gives it.
        detail: 0..1, the share that comes back.

    Returns:
        (1, C, H, W), not clipped. `noisy`, bit for bit, where `noise` is none.

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
    seen = _cells(noisy[0], STRIDE)  # (C, h, w), brightness
    around = _repeated(_cells(seen, STRIDE), STRIDE, seen.shape)  # steadier, for shifts of the mean
    variance = noise.at(noise.variance, seen)
    ends = [SLACK * noise.at(curve, around) for curve in (noise.below, noise.above)]
    result = restored[0].clone()
    for scale in SCALES:
        if scale > 1 and min(height, width) < scale * SIDE:
            continue
        residual = noisy[0] - result
        cells = max(scale // STRIDE, 1)
        own, below, above = (_cells(x, cells) for x in (variance, *ends))
        found = _beyond(_cells(residual, scale), own, below, above, noise, scale)  # (C, ⌈H / scale⌉, ⌈W / scale⌉)
        if found is None:
            continue
        if scale > 1:
            found = F.interpolate(found[None], scale_factor=scale, mode="bilinear")[0, :, :height, :width]
        result += found
    return restored.lerp(result[None], detail) if detail < 1 else result[None]


def _beyond(residual: Tensor, variance: Tensor, below: Tensor, above: Tensor, noise: NoiseModel, scale: int) -> Tensor | None:
    """The part of a residual that is more than noise, (C, h, w) → the same; None: nothing is.

    Args:
        residual: of means of `scale` pixels.
        variance, below, above: of cells of 4×4 pixels at scale 1, else of the same means.
    """
    height, width = residual.shape[-2:]
    residual = _whole_blocks(residual)
    rows, columns = (length // STRIDE - 1 for length in residual.shape[-2:])  # of blocks
    if scale == 1:
        variance, below, above = (F.avg_pool2d(_at_least(x, rows + 1, columns + 1), 2, 1) for x in (variance, below, above))
    else:
        variance, below, above = F.avg_pool2d(_whole_blocks(variance), SIDE, STRIDE), _whole_blocks(below), _whole_blocks(above)
    forward, backward = _transforms(noise, scale)
    result: Tensor | None = None
    step = STRIP_SQUARES * SQUARE
    for top in range(0, rows, step):
        part = slice(top, min(top + step, rows))
        pixels = slice(part.start * STRIDE, (part.stop + 1) * STRIDE)
        sigma = variance[:, part, :, None].clamp(min=noise.floor**2).sqrt()  # (C, r, columns, 1)
        u = (_blocks(residual[:, pixels]) @ forward).reshape(*sigma.shape[:3], -1)
        u /= sigma  # (C, r, columns, 64); of noise alone the variance is 1
        if scale == 1:
            unit = forward[:, :1, :1] * SIDE**2 / sigma[..., 0]  # of a mean, in standard deviations of its coefficient
            u[..., 0] -= u[..., 0].clamp(unit * below[:, part], unit * above[:, part])
        else:
            low, high = ((_blocks(x[:, pixels]) @ forward).reshape(u.shape) / sigma for x in (below, above))
            u -= u.clamp(torch.minimum(low, high).clamp(max=0), torch.maximum(low, high).clamp(min=0))
        kept = _kept(u, scale)
        if kept is None:
            continue
        if result is None:
            result = torch.zeros_like(residual)
        result[:, pixels] += _joined((u * kept).mul_(sigma).flatten(1, 2) @ backward, part.stop - part.start, columns)
    return None if result is None else _covered(result)[:, :height, :width]


def _kept(u: Tensor, scale: int) -> Tensor | None:
    """Which share of each coefficient comes back, (C, r, columns, 64) in standard deviations of noise → the same; None: nothing does."""
    power = u.square()
    limits = _limits(scale).to(u)
    single = power > limits
    if scale not in PATTERN:
        return single.to(u) if single.any() else None
    rows, columns = u.shape[1:3]
    share = _square_shares(power.mean(0), scale)  # (⌈r / 4⌉, ⌈columns / 4⌉, 64)
    if not share.any():
        return single.to(u) if single.any() else None
    share = share.repeat_interleave(SQUARE, 0)[:rows].repeat_interleave(SQUARE, 1)[:, :columns]  # (r, columns, 64)
    return torch.maximum(single.to(u), share)


def _square_shares(power: Tensor, scale: int) -> Tensor:
    """Shares by the mean power in squares of blocks, (r, columns, 64) → (⌈r / 4⌉, ⌈columns / 4⌉, 64). None of the mean."""
    rows, columns = power.shape[:2]
    padded = F.pad(power, (0, 0, 0, -columns % SQUARE, 0, -rows % SQUARE))
    sums = padded.reshape(-1, SQUARE, padded.shape[1] // SQUARE, SQUARE, SIDE**2).sum(3).sum(1)
    counts = _counts(rows)[:, None] * _counts(columns)  # blocks of each square
    mean = sums / counts.to(sums)[..., None]
    share = _firm(mean, *PATTERN[scale])
    if scale == 1:
        share = torch.maximum(share, _firm(mean[..., 1:].clamp(max=MOST).mean(-1, keepdim=True), *TEXTURE))
    share[..., 0] = 0
    return share


def _firm(power: Tensor, none: float, whole: float) -> Tensor:
    """0 up to `none`, 1 from `whole` on."""
    return ((power - none) / (whole - none)).clamp(0, 1)


def _counts(length: int) -> Tensor:
    """How many blocks each square along one axis has."""
    counts = torch.full((-(-length // SQUARE),), SQUARE)
    counts[-1] -= -length % SQUARE
    return counts


@lru_cache
def _limits(scale: int) -> Tensor:
    """Powers that single coefficients of noise do not exceed, (64,)."""
    limits = torch.full((SIDE**2,), SINGLE[scale] ** 2)
    limits[0] = MEAN[scale] ** 2
    return limits


def _transforms(noise: NoiseModel, scale: int) -> tuple[Tensor, Tensor]:
    """From the 64 values of a block to coefficients in standard deviations of noise, where its variance is 1; and back.

    (C, 64, 64) each.
    """
    variance = noise.coefficients(scale).reshape(-1, SIDE**2) * (1 + DOUBT * noise.doubt) ** 2  # (C, 64)
    sigma = variance.clamp(min=1e-8 * variance.max().item()).sqrt()
    basis = _basis().to(sigma)  # (64 coefficients, 64 values)
    return basis.T / sigma[:, None], basis * sigma[..., None]


@lru_cache
def _basis() -> Tensor:
    """The orthonormal cosine transform (DCT-II) of 8×8 values, (64, 64): a row for each coefficient, the mean's first.

    The values are in the order of `_blocks`.
    """
    k = torch.arange(SIDE, dtype=torch.float64)
    rows = torch.cos(math.pi * (k + 0.5) * k[:, None] / SIDE) * math.sqrt(2 / SIDE)
    rows[0] /= math.sqrt(2)
    basis = torch.kron(rows, rows).reshape(SIDE**2, 2, STRIDE, 2, STRIDE)
    return basis.transpose(2, 3).reshape(SIDE**2, SIDE**2).float()


def _in_cells(x: Tensor) -> Tensor:
    """(C, h, w) → (C, h / 4, w / 4, 16), the values of each cell side by side."""
    channels, height, width = x.shape
    return x.reshape(channels, height // STRIDE, STRIDE, width // STRIDE, STRIDE).transpose(2, 3).flatten(3)


def _blocks(x: Tensor) -> Tensor:
    """Overlapping blocks of 2×2 cells, cell after cell: (C, h, w) → (C, (h / 4 − 1)·(w / 4 − 1), 64)."""
    cells = _in_cells(x)
    rows, columns = cells.shape[1] - 1, cells.shape[2] - 1
    corners = [cells[:, down : rows + down, right : columns + right] for down in range(2) for right in range(2)]
    return torch.cat(corners, dim=-1).flatten(1, 2)


def _joined(blocks: Tensor, rows: int, columns: int) -> Tensor:
    """The sum of overlapping blocks, (C, rows·columns, 64) → (C, 4·(rows + 1), 4·(columns + 1))."""
    channels = len(blocks)
    pieces = blocks.reshape(channels, rows, columns, 4, STRIDE**2)
    cells = blocks.new_zeros(channels, rows + 1, columns + 1, STRIDE**2)
    for corner in range(4):
        down, right = divmod(corner, 2)
        cells[:, down : rows + down, right : columns + right] += pieces[:, :, :, corner]
    cells = cells.reshape(channels, rows + 1, columns + 1, STRIDE, STRIDE).transpose(2, 3)
    return cells.reshape(channels, STRIDE * (rows + 1), STRIDE * (columns + 1))


def _covered(total: Tensor) -> Tensor:
    """From sums of blocks to means: four lie over each pixel, two along an edge, one in a corner."""
    total = total / 4
    for edge in (slice(0, STRIDE), slice(-STRIDE, None)):
        total[:, edge] *= 2
        total[:, :, edge] *= 2
    return total


def _whole_blocks(x: Tensor) -> Tensor:
    """Continued to a multiple of the stride, and to one block at least."""
    rows, columns = (max(-(-length // STRIDE) * STRIDE, SIDE) for length in x.shape[-2:])
    return _at_least(x, rows, columns)


def _at_least(x: Tensor, rows: int, columns: int) -> Tensor:
    """Continued to this size, (C, h, w) → (C, rows, columns)."""
    return F.pad(x[None], (0, columns - x.shape[-1], 0, rows - x.shape[-2]), mode="replicate")[0]


def _cells(x: Tensor, side: int) -> Tensor:
    """Means of cells, (C, h, w) → (C, ⌈h / side⌉, ⌈w / side⌉); the last cells are continued."""
    if side == 1:
        return x
    height, width = x.shape[-2:]
    return F.avg_pool2d(_at_least(x, -(-height // side) * side, -(-width // side) * side), side)


def _repeated(x: Tensor, side: int, shape: torch.Size) -> Tensor:
    """Each value `side` times along both axes, cut to `shape`."""
    return x.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., : shape[-2], : shape[-1]]
