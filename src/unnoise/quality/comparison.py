"""Which of two restorations of the same noisy picture is nearer to the truth, told without the truth.

Stein's risk by Monte Carlo (Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing, 2008): with
more noise b of the picture's own kind, mean (f(x) − x)² + 2·b·(f(x + εb) − f(x)) / ε estimates the squared error of f(x),
up to the noise's power. That power is the same for all restorations, so their difference needs no truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_PIXELS = 16
"""Side in pixels of the blocks whose risks are averaged."""
STANDARD_ERRORS = 2.0
"""A difference counts from this many standard errors on."""
LEVEL_DOUBT = 0.05
"""Share of the noise's power by which the measured one may be wrong."""
POWER_DOUBT = 0.005
"""Share of the noise's power by which a difference may be wrong in any case."""
LEAST_DECIBELS = 0.1
"""Smaller differences do not count."""
MOST_DECIBELS = 25.0
"""Higher gains cannot be told."""


class Standing(StrEnum):
    """How a restoration compares with the noisy picture and with another restoration.

    >>> print(Standing.AS_GOOD)
    as good
    """

    BETTER = "better"
    AS_GOOD = "as good"
    WORSE_THAN_OTHER = "worse than the other"
    WORSE_THAN_NOISY = "worse than the noisy picture"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Risks:
    """The risks of one restoration in blocks, in units of the noise's power.

    >>> round(Risks(torch.full((4,), 0.1), 0.05).gain, 3)
    10.0
    """

    blocks: Tensor
    """(n): estimated squared errors; the noisy picture itself has 1 on average."""
    passed: float
    """Share of the noise that the restoration lets through."""

    @property
    def error(self) -> float:
        """The mean error, in units of the noise's power."""
        return self.blocks.mean().item()

    @property
    def gain(self) -> float:
        """The estimated gain over the noisy picture in dB, at most `MOST_DECIBELS`."""
        return -10 * math.log10(max(self.error, 10 ** (-MOST_DECIBELS / 10)))


def risks_of(noisy: Tensor, restored: Tensor, moved: Tensor, extra: Tensor, *, power: float | None = None) -> Risks:
    """The risks of one restoration.

    Args:
        noisy, restored: (C, H, W), x and f(x).
        moved: (C, H, W), (f(x + εb) − f(x)) / ε.
        extra: (C, H, W), b as it was added, after rounding.
        power: the noise's, where rounding has changed that of `extra`; None: that of `extra`.

    >>> noise = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(risks_of(noise, noise, noise, noise).error, 3)  # f(x) = x
    1.0
    """
    added = max(extra.square().mean().item(), 1e-20)
    power = added if power is None else power
    risk = ((restored - noisy).square() + 2 * power / added * extra * moved).mean(0)[None]  # (1, H, W)
    blocks = max(1, risk.shape[-2] // BLOCK_PIXELS), max(1, risk.shape[-1] // BLOCK_PIXELS)
    pooled = F.adaptive_avg_pool2d(risk, blocks).flatten() / power - 1
    return Risks(pooled, (extra * moved).mean().item() / added)


def joined(parts: list[Risks]) -> Risks:
    """The risks of one restoration of several pictures.

    >>> round(joined([Risks(torch.zeros(4), 0.0), Risks(torch.ones(4), 1.0)]).error, 3)
    0.5
    """
    return Risks(torch.cat([part.blocks for part in parts]), sum(part.passed for part in parts) / len(parts))


def compare(own: Risks, other: Risks) -> Standing:
    """How a restoration stands against the noisy picture, and against another restoration.

    >>> block = torch.ones(64)
    >>> good, poor, bad = (Risks(error * block, error) for error in (0.1, 0.2, 1.5))
    >>> [str(compare(good, poor)), str(compare(poor, good)), str(compare(bad, bad))]
    ['better', 'worse than the other', 'worse than the noisy picture']
    """
    noisy = Risks(torch.ones_like(own.blocks), 1.0)
    if _is_lower(noisy, own):
        return Standing.WORSE_THAN_NOISY
    if abs(own.gain - other.gain) >= LEAST_DECIBELS:
        if _is_lower(own, other):
            return Standing.BETTER
        if _is_lower(other, own):
            return Standing.WORSE_THAN_OTHER
    return Standing.AS_GOOD


def _is_lower(low: Risks, high: Risks) -> bool:
    """Whether the first risk is lower than the second by more than chance, and than a wrong noise level could make it."""
    difference = (high.blocks - low.blocks).double()
    count = len(difference)
    chance = difference.std().item() / math.sqrt(count) if count > 1 else 0.0
    doubt = math.hypot(chance, 2 * LEVEL_DOUBT * (high.passed - low.passed), POWER_DOUBT)
    return difference.mean().item() > STANDARD_ERRORS * doubt
