"""Low-rank approximation of groups of alike patches, for many groups at once.

A group is a matrix with a patch in each column. Without noise its columns are nearly alike, so it has few large singular
values. Noise spreads over all of them. The singular values come from eigenvalues of the smaller Gram matrix, which takes
less than half the time of a singular value decomposition.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-7
"""Singular values below this share of the largest one count as 0: a Gram matrix of float32 does not hold them."""


def shrink_reweighted(groups: Tensor, variance: Tensor, constant: float, reweightings: int) -> Tensor:
    """Weighted nuclear norm minimization by reweighting: each singular value s loses constant·√n·σ² / s', where s' is the
    last estimate of the value without noise.

    Gu, Zhang, Zuo and Feng, "Weighted Nuclear Norm Minimization with Application to Image Denoising", CVPR 2014,
    Algorithm 1 and Eq. 11.

    Args:
        groups: (G, d, n), n patches of d values each, of mean 0.
        variance: (G,), σ², the noise's variance in each group.
        constant: of the weights.
        reweightings: number of times that s' is estimated anew; first it is √(s² − n·σ²).

    Returns:
        (G, d, n).

    >>> clean = torch.outer(torch.arange(6.0), torch.ones(30))[None]
    >>> noisy = clean + torch.randn(1, 6, 30, generator=torch.Generator().manual_seed(0))
    >>> found = shrink_reweighted(noisy, torch.ones(1), 2 * 2**0.5, 3)
    >>> bool((found - clean).std() < 0.5 * (noisy - clean).std())
    True
    """
    count = groups.shape[2]

    def shrink(values: Tensor) -> Tensor:  # (G, k)
        weight = (constant * count**0.5 * variance)[:, None]
        left = (values.square() - count * variance[:, None]).clamp(min=0).sqrt()
        for _ in range(reweightings):
            left = (values - weight / left.clamp(min=1e-12)).clamp(min=0)
        return left

    return _with_singular_values(groups, shrink)


def shrink_closed(groups: Tensor, weight: Tensor) -> Tensor:
    """The limit of endless reweighting: s' = (s + √(s² − 4·weight)) / 2, and 0 where there is no root.

    Gu, Xie, Meng, Zuo, Feng and Zhang, "Weighted Nuclear Norm Minimization and Its Applications to Low Level Vision",
    International Journal of Computer Vision, 2017, Remark 1.

    Args:
        groups: (G, d, n).
        weight: (G,), what a singular value loses, times the value that is left.

    >>> shrink_closed(torch.diag(torch.tensor([4.0, 1.0]))[None], torch.tensor([3.0]))[0].round(decimals=4).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """

    def shrink(values: Tensor) -> Tensor:
        inside = values.square() - 4 * weight[:, None]
        return torch.where(inside > 0, (values + inside.clamp(min=0).sqrt()) / 2, 0.0)

    return _with_singular_values(groups, shrink)


def _with_singular_values(groups: Tensor, change: object) -> Tensor:
    """The groups with other singular values: `change` gives them, (G, k) → (G, k)."""
    tall = groups.shape[1] > groups.shape[2]
    gram = groups.mT @ groups if tall else groups @ groups.mT  # (G, k, k)
    powers, vectors = torch.linalg.eigh(gram)
    values = powers.clamp(min=0).sqrt()  # (G, k)
    changed = change(values)  # type: ignore[operator]
    large = values > SMALLEST * values[:, -1:]
    gain = torch.where(large, changed / values.clamp(min=1e-30), 0.0)
    projector = (vectors * gain[:, None]) @ vectors.mT
    return groups @ projector if tall else projector @ groups


def minimize_by_admm(groups: Tensor, precision: Tensor, weight: Tensor, penalty: float, steps: int) -> Tensor:
    """Minimize tr((Y − X)ᵀ W² (Y − X)) + ‖X‖_w,* over X by the alternating direction method of multipliers.

    Xu, Zhang, Zhang and Feng, "Multi-channel Weighted Nuclear Norm Minimization for Real Color Image Denoising", ICCV
    2017, Algorithm 1. The penalty stays the same, as in the authors' program for real noise.

    Args:
        groups: (G, d, n), Y.
        precision: (G, d) or (d,), the diagonal of W².
        weight: (G,). With W² = 1 each singular value loses weight, divided by the value that is left.
        penalty: ρ.
        steps: of the method.

    Returns:
        (G, d, n).

    >>> groups = torch.outer(torch.arange(6.0), torch.ones(30))[None]
    >>> found = minimize_by_admm(groups, torch.ones(6), torch.zeros(1), 3.0, 30)
    >>> torch.allclose(found, groups, atol=1e-3)
    True
    """
    squared = precision[..., None]
    share = 1 / (squared + penalty / 2)
    low_rank, multiplier = torch.zeros_like(groups), torch.zeros_like(groups)
    fixed = squared * groups * share
    for _ in range(steps):
        near = fixed + share * (penalty / 2 * low_rank - multiplier / 2)
        low_rank = shrink_closed(near + multiplier / penalty, 2 / penalty * weight)
        multiplier = multiplier + penalty * (near - low_rank)
    return low_rank
