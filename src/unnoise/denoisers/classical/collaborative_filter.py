"""One pass of BM3D: similar blocks are filtered together, and all filtered blocks are averaged at their places.

Dabov, Foi, Katkovnik and Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering", IEEE
Transactions on Image Processing, 2007. The variances in a group and the choice of its blocks: `group_variance.py`, and
Mäkinen, Azzari and Foi there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.classical import group_variance, transforms
from unnoise.denoisers.classical.block_matching import blocks_of, match
from unnoise.denoisers.classical.noise import Noise

BLOCK = 8
"""Side of the blocks in pixels."""
STEP = 3
"""Distance of reference blocks in pixels."""
RADIUS = 19
"""Radius of the search window in pixels."""
KAISER_BETA = 2.0
LEAST_VARIANCE = 1e-9
"""Of values in 0..1. A channel without noise is divided by it, and comes back as it is."""
DISTANT = 3.0
"""γ of the authors: how much blocks are preferred whose noise is not that of the reference."""
STRIP = 1024
"""About so many reference blocks are filtered at once. More do not fit into a processor's cache."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What differs between the two passes.

    >>> Pass(count=16, farthest=0.05, transform=transforms.dct(BLOCK), threshold=2.7).basis.shape
    torch.Size([64, 8, 8])
    """

    count: int
    """The most blocks of a group, a power of two."""
    farthest: float
    """The largest mean squared difference of a block from its reference, of values in 0..1."""
    transform: Tensor
    """The transform of rows and columns, (BLOCK, BLOCK)."""
    threshold: float = 0.0
    """Of the first pass: coefficients below this many standard deviations become 0."""
    shrinkage: float = 1.0
    """Of the second pass: factor of the noise's variance in the Wiener filter."""

    @property
    def basis(self) -> Tensor:
        """The picture that each coefficient of a block measures, (BLOCK², BLOCK, BLOCK)."""
        return torch.kron(self.transform, self.transform).reshape(-1, BLOCK, BLOCK)

    def told(self, noise: Noise) -> Told:
        """What the pass needs to know of the noise."""
        variance = noise.sigma.square().clamp(min=LEAST_VARIANCE)[:, None, None]
        tables = [group_variance.covariances(each, self.basis).float() for each in noise.correlation * variance]
        shift = torch.arange(-RADIUS, RADIUS + 1).abs()
        reach = len(noise.correlation[0])
        padded = F.pad(noise.correlation[0], 2 * (0, max(RADIUS + 1 - reach, 0)))[shift[:, None], shift]
        bias = 2 * DISTANT * float(noise.sigma[0]) ** 2 * padded.float()
        return Told(tables, bias if reach > 1 else None)


@dataclass(frozen=True, eq=False)
class Told:
    """The noise, as a pass needs it.

    >>> Pass(count=16, farthest=0.05, transform=transforms.dct(BLOCK)).told(Noise.white(0.1, 1)).bias is None
    True
    """

    tables: list[Tensor]
    """Of `group_variance.covariances`, by channel, times the variance of a pixel."""
    bias: Tensor | None
    """Of the distances at each shift, as `block_matching.match` takes it. Correlated noise makes near blocks alike, which
    are then no help against it. None: the noise is white."""


def filter_pass(noisy: Tensor, guide: Tensor | None, told: Told, settings: Pass) -> Tensor:
    """Filter a picture once.

    Args:
        noisy: (C, H, W), H and W at least `BLOCK`. The blocks are matched in the first channel.
        guide: an estimate of the clean picture, (C, H, W), for the Wiener filter and for matching. None: coefficients
            are thresholded, and the noisy blocks are matched.
        told: the noise.
        settings: of this pass.

    Returns:
        (C, H, W).

    >>> flat = torch.full((1, 20, 30), 0.5)
    >>> settings = Pass(count=16, farthest=0.05, transform=transforms.dct(BLOCK), threshold=2.7)
    >>> torch.allclose(filter_pass(flat, None, settings.told(Noise.white(0.1, 1)), settings), flat, atol=1e-5)
    True
    """
    height, width = noisy.shape[-2:]
    rows, columns = (-(-(length - BLOCK) // STEP) + 1 for length in (height, width))  # references cover all pixels
    pad = 0, (columns - 1) * STEP + BLOCK - width, 0, (rows - 1) * STEP + BLOCK - height
    noisy = F.pad(noisy, pad, mode="reflect")
    guide = None if guide is None else F.pad(guide, pad, mode="reflect")
    total = torch.zeros_like(noisy)
    weight = torch.zeros_like(noisy)
    at_once = max(1, STRIP // columns)
    for start in range(0, rows, at_once):
        count = min(at_once, rows - start)
        top = max(start * STEP - RADIUS, 0)
        bottom = min((start + count - 1) * STEP + BLOCK + RADIUS, noisy.shape[1])
        strip = noisy[:, top:bottom], None if guide is None else guide[:, top:bottom]
        _filter_strip(*strip, start * STEP - top, count, columns, told, settings, total[:, top:bottom], weight[:, top:bottom])
    return (total / weight)[:, :height, :width]


def _filter_strip(
    noisy: Tensor,
    guide: Tensor | None,
    first: int,
    rows: int,
    columns: int,
    told: Told,
    settings: Pass,
    total: Tensor,
    weight: Tensor,
) -> None:
    """Filter the groups of some rows of references, and add them to `total` and `weight`, (C, h, W) each."""
    blocks = blocks_of(noisy, BLOCK)  # (C, h', w', BLOCK²)
    guiding = None if guide is None else blocks_of(guide, BLOCK)
    size = blocks.shape[1:3]
    most = min(settings.count, 1 << (size[0] * size[1]).bit_length() - 1)
    bias = None if guide is not None or told.bias is None else told.bias.to(noisy)
    matched = blocks if guiding is None else guiding
    distance, index = match(matched[0], first, rows, columns, STEP, RADIUS, most, bias)  # (R, count)
    forward = settings.basis.flatten(1).to(noisy)  # (BLOCK², BLOCK²)
    backward = settings.basis.flatten(1).inverse().to(noisy)
    window = transforms.kaiser(BLOCK, KAISER_BETA).to(noisy).flatten()
    for channel in range(len(noisy)):
        spectra = blocks[channel].flatten(0, 1) @ forward.T  # (h'·w', BLOCK²)
        guides = None if guiding is None else guiding[channel].flatten(0, 1) @ forward.T
        sums = torch.zeros_like(spectra)
        weights = spectra.new_zeros(len(spectra))
        table = told.tables[channel].to(noisy)
        for members in _groups(distance, index, settings.farthest):
            variance = group_variance.of_groups(table, members, size[1], 2 * RADIUS)
            filtered, own = _shrink(spectra, guides, members, variance, settings)
            sums.index_add_(0, members.flatten(), filtered.mul_(own[:, None, None]).flatten(0, 1))
            weights.index_add_(0, members.flatten(), own.repeat_interleave(members.shape[1]))
        placed = (sums @ backward.T).mul_(window)  # (h'·w', BLOCK²)
        _add_blocks(placed.T.reshape(-1, *size), total[channel])
        _add_blocks((window[:, None] * weights).reshape(-1, *size), weight[channel])


def _groups(distance: Tensor, index: Tensor, farthest: float) -> Iterator[Tensor]:
    """The groups by their size, a power of two: indices of their blocks, (groups, size)."""
    near = (distance <= farthest).sum(1).clamp(min=1)
    exponents = near.double().log2().floor().long()
    for exponent in sorted(set(exponents.tolist())):
        yield index[exponents == exponent, : 2**exponent]


def _shrink(spectra: Tensor, guides: Tensor | None, members: Tensor, variance: Tensor, settings: Pass) -> tuple[Tensor, Tensor]:
    """Filter groups, whose coefficients have noise of a `variance`, (groups, size, BLOCK²). Gives the spectra of their
    blocks, of the same shape, and the weight of each group, (groups,)."""
    along = transforms.haar(members.shape[1]).to(spectra)
    group = along @ spectra[members]  # (groups, size, BLOCK²)
    if guides is None:
        kept = group.square() > settings.threshold**2 * variance
        kept[:, 0, 0] = True  # the mean of a group, as dark areas else get darker
        group *= kept
        left = kept * variance
    else:
        power = (along @ guides[members]).square_()
        gain = power.div_(torch.add(power, variance, alpha=settings.shrinkage))
        gain[:, 0, 0] = 1
        group *= gain
        left = gain.square_() * variance
    least = float(variance[0].mean())  # that of all groups, as the Haar transform keeps the sum
    own = 1 / left.sum((1, 2)).clamp(min=least)
    return along.T @ group, own


def _add_blocks(blocks: Tensor, total: Tensor) -> None:
    """Add blocks at their places: (BLOCK², h', w') to (h, w)."""
    height, width = blocks.shape[1:]
    for place, plane in enumerate(blocks):
        y, x = divmod(place, BLOCK)
        total[y : y + height, x : x + width] += plane
