"""The mean of a Gaussian posterior, pixel by pixel: what a blind network expects, and what the noisy pixel says.

Laine et al., "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019, and Wu et al., "Unpaired Learning of Deep
Image Denoising", ECCV 2020. They invert three matrices of C×C for each pixel. Here one factorization is written out over
the few channels, as sums and products of whole maps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Matrix = list[list[Tensor]]
"""C×C maps, (B, H, W) each."""


class GaussianPrior(NamedTuple):
    """What is known of each pixel without looking at it, and of the noise.

    >>> GaussianPrior(*(torch.zeros(1, channels, 4, 4) for channels in (3, 6, 3))).factor.shape
    torch.Size([1, 6, 4, 4])
    """

    mean: Tensor
    """(B, C, H, W)."""
    factor: Tensor
    """Of the covariance: (B, C, H, W), its diagonal's roots; or (B, C·(C + 1)/2, H, W), an upper triangle U row by row,
    where the covariance is U·Uᵀ."""
    noise: Tensor
    """The noise's standard deviation, (B, C, H, W) or with sides of 1."""


def posterior_mean(prior: GaussianPrior, noisy: Tensor) -> Tensor:
    """μ + Σ (Σ + Σₙ)⁻¹ (y − μ), the paper's posterior mean, (B, C, H, W).

    Args:
        prior: of the clean pixels.
        noisy: y, (B, C, H, W).

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> posterior_mean(GaussianPrior(mean=0 * one, factor=one, noise=one), 3 * one).round(decimals=4).item()
        1.5
    """
    covariance = _covariance(prior.factor, noisy.shape[1])
    lower = _cholesky(covariance, prior.noise)
    weighed = _solve_transposed(lower, _solve(lower, list((noisy - prior.mean).unbind(1))))
    moved = [sum(entry * weight for entry, weight in zip(row, weighed, strict=True)) for row in covariance]
    return prior.mean + torch.stack(moved, dim=1)  # type: ignore[arg-type]


def negative_log_likelihood(prior: GaussianPrior, noisy: Tensor) -> Tensor:
    """½ (y − μ)ᵀ (Σ + Σₙ)⁻¹ (y − μ) + ½ log det (Σ + Σₙ), without its constant: (B, H, W).

    Args:
        prior: of the clean pixels.
        noisy: y, (B, C, H, W).

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> negative_log_likelihood(GaussianPrior(mean=0 * one, factor=0 * one, noise=one), 2 * one).item()
        2.0
    """
    lower = _cholesky(_covariance(prior.factor, noisy.shape[1]), prior.noise)
    away = _solve(lower, list((noisy - prior.mean).unbind(1)))
    terms = [0.5 * part.square() + lower[place][place].log() for place, part in enumerate(away)]
    return torch.stack(terms).sum(0)


def _covariance(factor: Tensor, channels: int) -> Matrix:
    """U·Uᵀ as maps."""
    entries = list(factor.unbind(1))
    zero = torch.zeros_like(entries[0])
    if len(entries) == channels:
        return [[entries[i].square() if i == j else zero for j in range(channels)] for i in range(channels)]
    upper = [[zero] * channels for _ in range(channels)]
    remaining = iter(entries)
    for i in range(channels):
        for j in range(i, channels):
            upper[i][j] = next(remaining)
    product = [[zero] * channels for _ in range(channels)]
    for i in range(channels):
        for j in range(i + 1):
            product[i][j] = product[j][i] = torch.stack([upper[i][k] * upper[j][k] for k in range(i, channels)]).sum(0)
    return product


def _cholesky(covariance: Matrix, noise: Tensor) -> Matrix:
    """L with L·Lᵀ = covariance + noise², a lower triangle.

    What is left of a diagonal entry is at least that channel's noise, as the covariance has no negative eigenvalue.
    Rounding may say less, and the gradient of a root near zero is not finite.
    """
    variance = noise.square().unbind(1)
    lower: Matrix = []
    for i, row in enumerate(covariance):
        mine: list[Tensor] = []
        for j in range(i):
            rest = row[j] - sum(mine[k] * lower[j][k] for k in range(j))
            mine.append(rest / lower[j][j])
        rest = row[i] - sum(entry.square() for entry in mine)
        mine.append((rest.clamp_min(0) + variance[i]).sqrt())
        lower.append(mine)
    return lower


def _solve(lower: Matrix, right: list[Tensor]) -> list[Tensor]:
    """L⁻¹ b."""
    found: list[Tensor] = []
    for i, value in enumerate(right):
        found.append((value - sum(lower[i][k] * found[k] for k in range(i))) / lower[i][i])
    return found


def _solve_transposed(lower: Matrix, right: list[Tensor]) -> list[Tensor]:
    """L⁻ᵀ b."""
    count = len(right)
    found: dict[int, Tensor] = {}
    for i in reversed(range(count)):
        found[i] = (right[i] - sum(lower[k][i] * found[k] for k in range(i + 1, count))) / lower[i][i]
    return [found[i] for i in range(count)]
