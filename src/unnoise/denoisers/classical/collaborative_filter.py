"""One pass of BM3D: similar blocks are filtered together, and all filtered blocks are averaged at their places.

Dabov, Foi, Katkovnik and Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering", IEEE
Transactions on Image Processing, 2007.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.classical import transforms
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

    def variances(self, noise: Noise) -> Tensor:
        """The noise's variance in each coefficient, (C, BLOCK²), above 0."""
        return noise.variances(self.basis).clamp(min=LEAST_VARIANCE)


def filter_pass(noisy: Tensor, guide: Tensor | None, variances: Tensor, settings: Pass) -> Tensor:
    """Filter a picture once.

    Args:
        noisy: (C, H, W), H and W at least `BLOCK`. The blocks are matched in the first channel.
        guide: an estimate of the clean picture, (C, H, W), for the Wiener filter and for matching. None: coefficients
            are thresholded, and the noisy blocks are matched.
        variances: (C, BLOCK²), variances of the noise in the coefficients of a block.
        settings: of this pass.

    Returns:
        (C, H, W).

    >>> flat = torch.full((1, 20, 30), 0.5)
    >>> settings = Pass(count=16, farthest=0.05, transform=transforms.dct(BLOCK), threshold=2.7)
    >>> torch.allclose(filter_pass(flat, None, torch.full((1, 64), 0.01), settings), flat, atol=1e-5)
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
        _filter_strip(
            *strip, start * STEP - top, count, columns, variances, settings, total[:, top:bottom], weight[:, top:bottom]
        )
    return (total / weight)[:, :height, :width]


def _filter_strip(
    noisy: Tensor,
    guide: Tensor | None,
    first: int,
    rows: int,
    columns: int,
    variances: Tensor,
    settings: Pass,
    total: Tensor,
    weight: Tensor,
) -> None:
    """Filter the groups of some rows of references, and add them to `total` and `weight`, (C, h, W) each."""
    matched = blocks_of((noisy if guide is None else guide)[:1], BLOCK)[0]  # (h', w', BLOCK²)
    most = min(settings.count, 1 << (matched.shape[0] * matched.shape[1]).bit_length() - 1)
    distance, index = match(matched, first, rows, columns, STEP, RADIUS, most)  # (R, count)
    forward = settings.basis.flatten(1).to(noisy)  # (BLOCK², BLOCK²)
    backward = settings.basis.flatten(1).inverse().to(noisy)
    window = transforms.kaiser(BLOCK, KAISER_BETA).to(noisy).flatten()
    size = matched.shape[:2]
    for channel in range(len(noisy)):
        spectra = blocks_of(noisy[channel : channel + 1], BLOCK)[0].flatten(0, 1) @ forward.T  # (h'·w', BLOCK²)
        guides = None if guide is None else blocks_of(guide[channel : channel + 1], BLOCK)[0].flatten(0, 1) @ forward.T
        sums = torch.zeros_like(spectra)
        weights = spectra.new_zeros(len(spectra))
        for members in _groups(distance, index, settings.farthest):
            filtered, own = _shrink(spectra, guides, members, variances[channel], settings)
            sums.index_add_(0, members.flatten(), filtered.mul_(own[:, None, None]).flatten(0, 1))
            weights.index_add_(0, members.flatten(), own.repeat_interleave(members.shape[1]))
        blocks = (sums @ backward.T).mul_(window)  # (h'·w', BLOCK²)
        _add_blocks(blocks.T.reshape(-1, *size), total[channel])
        _add_blocks((window[:, None] * weights).reshape(-1, *size), weight[channel])


def _groups(distance: Tensor, index: Tensor, farthest: float) -> Iterator[Tensor]:
    """The groups by their size, a power of two: indices of their blocks, (groups, size)."""
    near = (distance <= farthest).sum(1).clamp(min=1)
    exponents = near.double().log2().floor().long()
    for exponent in sorted(set(exponents.tolist())):
        yield index[exponents == exponent, : 2**exponent]


def _shrink(spectra: Tensor, guides: Tensor | None, members: Tensor, variance: Tensor, settings: Pass) -> tuple[Tensor, Tensor]:
    """Filter groups. Gives the spectra of their blocks, (groups, size, BLOCK²), and the weight of each group, (groups,)."""
    along = transforms.haar(members.shape[1]).to(spectra)
    group = along @ spectra[members]  # (groups, size, BLOCK²)
    if guides is None:
        kept = group.abs() > settings.threshold * variance.sqrt()
        group *= kept
        left = kept.to(variance) @ variance  # (groups, size)
    else:
        power = (along @ guides[members]).square_()
        gain = power / (power + settings.shrinkage * variance)
        group *= gain
        left = gain.square_() @ variance
    own = 1 / left.sum(1).clamp(min=float(variance.mean()))
    return along.T @ group, own


def _add_blocks(blocks: Tensor, total: Tensor) -> None:
    """Add blocks at their places: (BLOCK², h', w') to (h, w)."""
    height, width = blocks.shape[1:]
    for place, plane in enumerate(blocks):
        y, x = divmod(place, BLOCK)
        total[y : y + height, x : x + width] += plane
