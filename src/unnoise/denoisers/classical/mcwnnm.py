"""MCWNNM: WNNM for colors, whose channels have noise of different levels.

Xu, Zhang, Zhang and Feng, "Multi-channel Weighted Nuclear Norm Minimization for Real Color Image Denoising", ICCV 2017. A
patch is that of all channels, one after the other, and each channel counts by its own noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.denoisers.classical.base import ClassicalDenoiser
from unnoise.denoisers.classical.low_rank import minimize_by_admm
from unnoise.denoisers.classical.noise import OPPONENT, Noise
from unnoise.denoisers.classical.patch_groups import Rounds, restore_groups

CONSTANT = 2 * 2**0.5
"""Of the weights."""
ADMM_STEPS = 10
LEAST_SIGMA = 0.25 / 255
"""A channel with less noise counts as if it had that of rounding to 8 bits."""
WHITE = 0.1
"""Noise whose neighbours have a smaller correlation counts as white."""


@dataclass(frozen=True)
class Program:
    """The authors' parameters for one kind of noise.

    >>> FOR_REAL_NOISE.rounds.rounds
    2
    """

    rounds: Rounds
    penalty: float
    """ρ of the method of multipliers."""
    factor: float | None
    """Of the level of the noise that later rounds find in the estimate; None: it stays that of the first round."""


FOR_WHITE_NOISE = Program(Rounds(side=6, count=70, rounds=6, step=5, radius=20), penalty=3.0, factor=0.6)
FOR_REAL_NOISE = Program(Rounds(side=6, count=70, rounds=2, step=5, radius=20, feedback=0.0), penalty=6.0, factor=None)


class MCWNNM(ClassicalDenoiser):
    """Multi-channel weighted nuclear norm minimization with its authors' parameters: those for real noise where the noise
    is correlated, and those for white noise elsewhere. Values in [0, 1].

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
        >>> bool((MCWNNM()(noisy, Noise.white(0.1, 3)) - 0.5).std() < 0.03)
        True
    """

    def estimate(self, noisy: Tensor, noise: Noise) -> Tensor:
        variance = (noise.sigma * _common_gain(noise)).to(noisy).clamp(min=LEAST_SIGMA).square()  # (C,)
        program = FOR_WHITE_NOISE if _is_white(noise) else FOR_REAL_NOISE

        def solve(groups: Tensor, removed: Tensor, round_: int) -> Tensor:
            left = variance.expand_as(removed)  # (G, C)
            if round_ and program.factor is not None:
                left = (program.factor**2 * (variance - removed)).clamp(min=LEAST_SIGMA**2)
            least = left.amin(1)
            precision = (least[:, None] / left).repeat_interleave(program.rounds.side**2, 1)
            weight = CONSTANT * groups.shape[2] ** 0.5 * least
            return minimize_by_admm(groups, precision, weight, program.penalty, ADMM_STEPS)

        return restore_groups(noisy, program.rounds, solve)


def _is_white(noise: Noise) -> bool:
    if noise.correlation.shape[-1] == 1:
        return True
    return bool(torch.maximum(noise.correlation[:, 0, 1].abs(), noise.correlation[:, 1, 0].abs()).max() < WHITE)


def _common_gain(noise: Noise) -> float:
    """How much more noise there is along the direction that all channels have in common than in a channel, at least 1.

    The method takes the channels' noise as independent. Demosaicking makes it alike, so that it lies in one direction of
    the patches, up to √3 times as strong. The authors raise the level by a factor that they chose by the truth.
    """
    if noise.opponents is None:
        return 1.0
    along = float(noise.opponents.sigma[0] / OPPONENT[0].norm())
    return max(1.0, along / max(float(noise.sigma.square().mean().sqrt()), LEAST_SIGMA))
