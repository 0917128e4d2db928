"""WNNM: groups of alike patches are approximated by matrices of low rank.

Gu, Zhang, Zuo and Feng, "Weighted Nuclear Norm Minimization with Application to Image Denoising", CVPR 2014. The noise is
taken as white. Colors are restored channel by channel, as papers on real noise do it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.denoisers.classical.base import ClassicalDenoiser
from unnoise.denoisers.classical.low_rank import shrink_reweighted
from unnoise.denoisers.classical.noise import Noise
from unnoise.denoisers.classical.patch_groups import Rounds, restore_groups

CONSTANT = 2 * 2**0.5
"""Of the weights."""
REWEIGHTINGS = 3
SETTINGS = (
    (20 / 255, Rounds(side=6, count=70, rounds=8, step=2), 0.54),
    (40 / 255, Rounds(side=7, count=90, rounds=12, step=2), 0.56),
    (60 / 255, Rounds(side=8, count=120, rounds=14, step=3), 0.58),
    (float("inf"), Rounds(side=9, count=140, rounds=14, step=3), 0.58),
)
"""Up to which standard deviation of the noise, of values in 0..1; the rounds; and the factor of the level of the noise
that later rounds find in the estimate. These are the authors' own."""


class WNNM(ClassicalDenoiser):
    """Weighted nuclear norm minimization with its authors' parameters. Values in [0, 1].

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> bool((WNNM(channels=1)(noisy, Noise.white(0.1, 1)) - 0.5).std() < 0.03)
        True
    """

    def estimate(self, noisy: Tensor, noise: Noise) -> Tensor:
        return torch.cat([_restore(plane[None], float(sigma)) for plane, sigma in zip(noisy, noise.sigma, strict=True)])


def _restore(noisy: Tensor, sigma: float) -> Tensor:
    """One channel, (1, H, W), whose noise has the standard deviation `sigma`."""
    if sigma <= 0:
        return noisy
    rounds, factor = next((rounds, factor) for up_to, rounds, factor in SETTINGS if sigma <= up_to)

    def solve(groups: Tensor, removed: Tensor, round_: int) -> Tensor:
        left = factor**2 * (sigma**2 - removed[:, 0]).abs() if round_ else torch.full_like(removed[:, 0], sigma**2)
        return shrink_reweighted(groups, left, CONSTANT, REWEIGHTINGS)

    return restore_groups(noisy, rounds, solve)
