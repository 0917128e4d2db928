"""Is a restoration any good? Told without a clean picture, from the noisy one, its restoration, and by restoring it again.

Two estimates of the error that is left, each in units of the noise's power, and how far they differ:

- *shaken*: with more noise b of the picture's own kind (see `schemes.noise_probe`), d = (f(x + εb) − f(x)) / ε tells what the
  restoration lets through of noise: the power v = mean d² / mean b², and λ = mean b·d / mean b² of it that is in step with the noise.
  A residual of noise alone has then the power (1 − 2λ + v)·σ² (Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Transactions on Image
  Processing, 2008). Its quiet places have that power, which tells σ²; what the residual has beyond it is structure that was lost,
  and error = v + (power / quiet power − 1)·(1 − 2λ + v). Stein's risk with a σ² from elsewhere is the same but for the source
  of σ²: an error of 2 % there is an error of 1 dB where a restoration gains 10 dB, and no level is known as well as that.
- *replayed*: the restored picture y is taken for the truth, noise b is added and taken away again: mean (f(y + b) − y)² / mean b².

The first sees detail that is lost, but takes noise in textures beyond that of plain places for it; the second is blind to detail
that is gone already. Noise that a restoration never takes, as slow changes of light, neither can see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, pstdev

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.noise.structure import correlation
from unnoise.schemes.noise_probe import noise_level, probe

PROBES = 2
SHAKE = 0.5
"""ε: how much of the noise's own level the restoration is shaken with."""
FAINT = 0.25 / 255
"""Standard deviation below which there is no noise to speak of: that of rounding to 8 bits."""
LOSS = 0.15
"""Share of the noise's power that a loss of structure must exceed to be worth a word."""
DOUBT = 0.5
"""Decibels of uncertainty that no probe shows; see docs/results/gain.md."""


class Judgement(BaseModel):
    """What is known of a restoration without the truth."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float | None
    """Estimated gain in PSNR over the noisy picture, in dB; None: there is too little noise to tell."""
    uncertainty: float | None
    """Of the gain, in dB, about one standard deviation."""
    shaken: float | None
    """The first estimate alone, in dB."""
    replayed: float | None
    """The second."""
    level: float
    """Standard deviation of the noise, 0..1, as the residual tells it."""
    passed: float | None
    """Power of the noise that is still in the result, in units of the noise's."""
    lost: float | None
    """Power of what was taken beside noise, in the same units."""
    correlation: float
    """Of the residual's fine detail with the picture's, −1..1; see `noise.structure`. Well above 0: edges or textures were weakened."""

    @property
    def loses_structure(self) -> bool:
        """Whether more was lost beside noise than chance explains."""
        return self.lost is not None and self.lost > LOSS


def judge(noisy: Tensor, restored: Tensor, restore: Callable[[Tensor], Tensor], *, seed: int = 0) -> Judgement:
    """Judge one restoration.

    Args:
        noisy: (1, C, H, W) in 0..1.
        restored: the result that is judged; it need not be `restore(noisy)`, but be near to it.
        restore: takes and gives (1, C, H, W), the same result for the same picture; called `1 + 2·PROBES` times. In full precision:
            it is asked for small differences.
        seed: of the probes.
    """
    if len(noisy) != 1:
        raise UsageError(f"One picture is judged at a time, not a batch of {len(noisy)}; call it for each.")
    residual = noisy - restored
    alike = correlation(residual, restored)
    level = noise_level(residual, restored)
    quiet = level.square().mean().item()
    power = residual.square().mean().item()
    if quiet < FAINT**2:
        nothing = dict.fromkeys(("gain", "uncertainty", "shaken", "replayed", "passed", "lost"))
        return Judgement(level=math.sqrt(quiet), correlation=alike, **nothing)
    source = torch.Generator().manual_seed(seed)
    base = restore(noisy)
    shaken, replayed, passes, losses, powers = [], [], [], [], []
    for _ in range(PROBES):
        extra = probe(residual, level, source)
        own = extra.square().mean().item()
        moved = (restore(noisy + SHAKE * extra) - base) / SHAKE
        passed = moved.square().mean().item() / own
        kept = 1 - 2 * (extra * moved).mean().item() / own + passed
        # The quiet quantile is below the mean; how far, the probe shows, whose power is known.
        short = noise_level(extra, restored).square().mean().item() / own
        plain = quiet / short
        lost = max(0.0, power / plain - 1) * kept
        passes.append(passed)
        losses.append(lost)
        powers.append(plain / max(kept, 0.1))
        shaken.append(_decibels(passed + lost))
        replayed.append(_decibels((restore(restored + extra) - restored).square().mean().item() / own))
    estimates = fmean(shaken), fmean(replayed)
    spread = math.hypot(pstdev(shaken), pstdev(replayed)) / 2
    return Judgement(
        gain=fmean(estimates),
        uncertainty=math.hypot(DOUBT, (estimates[0] - estimates[1]) / 2, spread),
        shaken=estimates[0],
        replayed=estimates[1],
        level=math.sqrt(fmean(powers)),
        passed=fmean(passes),
        lost=fmean(losses),
        correlation=alike,
    )


def _decibels(error: float) -> float:
    """The gain that leaves this share of the noise's power as error; 40 dB at most."""
    return -10 * math.log10(max(error, 1e-4))
