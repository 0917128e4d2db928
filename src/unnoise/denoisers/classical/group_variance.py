"""The variance of the noise in each coefficient of a group of blocks, where the blocks overlap or the noise is correlated.

The noise of two blocks that lie near each other is alike: they share pixels, and correlated noise reaches further. Its
mean over a group is then larger than that of independent blocks, and its differences are smaller.

Mäkinen, Azzari and Foi, "Collaborative Filtering of Correlated Noise: Exact Transform-Domain Variance for Improved
Shrinkage and Patch Matching", IEEE Transactions on Image Processing, 2020. They sum over all pairs of blocks for each
coefficient. The Haar transform is a tree, so here each pair is summed once, at the node where its two blocks part.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-3
"""Of the mean variance: a measured correlation may give less than 0."""


def covariances(correlation: Tensor, basis: Tensor) -> Tensor:
    """The noise's covariance between the same coefficient of two blocks, for each shift from one to the other.

    Args:
        correlation: (R, R), as `Noise` has it for one channel. The sign of a shift does not matter.
        basis: (K, B, B), the picture that each coefficient measures.

    Returns:
        (S, S, K), float64, in variances of a pixel. Entry (y, x) is for the shift of y − S // 2 rows and x − S // 2
        columns. The outermost entries are 0, as are all shifts beyond.

    >>> found = covariances(torch.ones(1, 1), torch.full((1, 2, 2), 0.5))[..., 0]
    >>> found.tolist()[2]  # white noise: blocks that are one pixel apart share half of their pixels
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    count, side, _ = basis.shape
    radius = len(correlation) - 1
    whole = basis.double()
    # (K, 2B − 1, 2B − 1): each coefficient's sum of products at each shift within a block
    own = F.conv2d(F.pad(whole, 4 * (side - 1,))[None], whole[:, None], groups=count)[0]
    shift = torch.arange(-radius, radius + 1).abs()
    reach = F.pad(correlation.double()[shift[:, None], shift], 4 * (2 * side - 1,))
    return F.conv2d(reach[None, None], own[:, None])[0].permute(1, 2, 0).contiguous()


def of_groups(table: Tensor, members: Tensor, width: int, farthest: int) -> Tensor:
    """The variance of the noise in each coefficient of groups.

    Args:
        table: of `covariances`.
        members: (G, M) with M a power of two, indices of the blocks of each group, row by row in the picture.
        width: blocks in a row of the picture.
        farthest: rows and columns that two blocks of a group are apart at most.

    Returns:
        (G, M, K), of the type of `table`: for each Haar coefficient along the group, in the order of `transforms.haar`,
        and each coefficient of a block. At least `LEAST` of their mean.

    >>> table = covariances(torch.ones(1, 1), torch.full((1, 2, 2), 0.5))
    >>> of_groups(table, torch.tensor([[0, 1], [0, 150]]), 100, 60)[..., 0].tolist()
    [[1.5, 0.5], [1.0, 1.0]]
    """
    side, _, count = table.shape
    size = members.shape[1]
    flat = table.reshape(-1, count)
    rows = _rows(side, farthest).to(members.device)
    stride = 2 * farthest + 1
    place = (members // width * stride + members % width).int()  # a difference of two of them tells their shift
    one, other = (each.to(members.device) for each in _pairs(size))
    apart = rows[place[:, one] - place[:, other] + (stride**2 - 1) // 2]  # (G, pairs), rows of `flat`
    below = flat[len(flat) // 2].expand(len(members), size, count)  # the variance of the sum over each node
    found = []
    half, start = 1, 0
    while half < size:
        nodes = size // (2 * half)
        own = apart[:, start : start + nodes * half**2].reshape(-1, half**2)  # (G·nodes, pairs of a node)
        cross = F.embedding_bag(own, flat, mode="sum").reshape(len(members), nodes, count)
        sums = below[:, 0::2] + below[:, 1::2]
        found.append(torch.sub(sums, cross, alpha=2).div_(2 * half))
        below = sums.add_(cross, alpha=2)
        start += nodes * half**2
        half *= 2
    return torch.cat([below / size, *reversed(found)], dim=1).clamp_(min=LEAST * float(table[side // 2, side // 2].mean()))


@lru_cache
def _rows(side: int, farthest: int) -> Tensor:
    """The entry of a table for each shift of at most `farthest` rows and columns, flat; its first one, a 0, for those that
    are beyond."""
    centre = side // 2
    shift = torch.arange(-farthest, farthest + 1)
    near = shift.abs() <= centre
    rows = (shift[:, None] + centre) * side + shift + centre
    return torch.where(near[:, None] & near, rows, 0).flatten().int()


@lru_cache
def _pairs(size: int) -> tuple[Tensor, Tensor]:
    """All pairs of blocks of a group, by the node of the tree at which they part: first the nodes of two blocks, the whole
    group last."""
    one, other = [], []
    half = 1
    while half < size:
        first = torch.arange(0, size, 2 * half)[:, None]
        one.append((first + torch.arange(half).repeat_interleave(half)).flatten())
        other.append((first + half + torch.arange(half).repeat(half)).flatten())
        half *= 2
    none = [torch.empty(0, dtype=torch.long)]
    return torch.cat(none + one), torch.cat(none + other)
