"""Is a restoration any good? Told without a clean picture, from the noisy one, its restoration, and by restoring it again.

The error is told in units of the noise's power σ². It has two parts.

*Left of the noise*, told in two ways with more noise b of the picture's own kind (see `noise.probe`; the b here comes from the
plain places of the noisy picture, as a residual lacks what the restoration let through):

- *shaken*: d = (f(x + εb) − f(x)) / ε has the power v = mean d² / mean b² and the share λ = mean b·d / mean b² that is in step with
  the noise. v is what is let through; of the best restoration there could be, the whole error is λ (the covariance of what remains
  unknown is σ² times the derivative of the mean: Manor and Michaeli, "On the posterior distribution in denoising", ICLR 2024). The
  larger one counts.
- *replayed*: the restored picture y is taken for the truth, and noise is added and taken away again: mean (f(y + b) − y)² / mean b².

*Lost with it*: a residual of noise alone has the power (1 − 2λ + v)·σ² (Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Transactions
on Image Processing, 2008). Its quiet places have that power, which tells σ²; what the residual has beyond it is structure.

With a σ² from elsewhere this would be Stein's risk. But where a restoration gains 10 dB, an error of 2 % in σ² is one of 1 dB in
the risk, and no level is known as well as that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, pstdev

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.residual_noise import noise_level, perturbed, power_ratio, probe
from unnoise.quality.residual_structure import correlation

PROBES = 2
GRAIN = 8.0
"""Standard deviation in pixels of the Gaussian beyond which a change of the restored picture is no noise that was let through."""
LEAST = 0.05
"""A residual is taken to hold at least so much of the noise's power."""
FAINT = 0.25 / 255
"""Standard deviation below which there is no noise to speak of: that of rounding to 8 bits."""
SMALLEST = 8
"""Side in pixels of a picture below which there is too little of it to tell a gain."""
LOSS = 0.15
"""Share of the noise's power that a loss of structure must exceed to be worth a word."""
QUIET_DOUBT = 0.02
"""Of the power of a residual's noise: so far it may be wrong. It counts the more, the less error is left."""
DOUBT = 1.0
"""Decibels of uncertainty that no probe shows; see docs/results/gain.md."""


class Judgement(BaseModel):
    """What is known of a restoration without the truth."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float | None
    """Estimated gain in PSNR over the noisy picture, in dB; None: there is too little noise to tell."""
    uncertainty: float | None
    """Of the gain, in dB, about one standard deviation."""
    shaken: float | None
    """The gain in dB by shaking alone."""
    replayed: float | None
    """And by replaying."""
    level: float
    """Standard deviation of the noise, 0..1, as the residual tells it."""
    left: float | None
    """Power of the noise that is still in the result, in units of the noise's, by shaking."""
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
    if quiet < FAINT**2 or min(noisy.shape[-2:]) < SMALLEST:
        nothing = dict.fromkeys(("gain", "uncertainty", "shaken", "replayed", "left", "lost"))
        return Judgement(level=math.sqrt(quiet), correlation=alike, **nothing)
    coarse = gaussian_blur(restored, GRAIN)
    grain = noisy - coarse
    grain_level = noise_level(grain, coarse)
    source = torch.Generator().manual_seed(seed)
    base = restore(noisy)
    by_shaking, replayed, lefts, losses, powers = [], [], [], [], []
    for _ in range(PROBES):
        extra = probe(grain, grain_level, source)
        fine = _fine(extra)
        own = fine.square().mean().item()
        moved = _fine(perturbed(restore, noisy, base, extra))
        passed, in_step = moved.square().mean().item() / own, (fine * moved).mean().item() / own
        again = _fine(restore(restored + extra) - restored).square().mean().item() / own
        plain = quiet * power_ratio(residual, level, restored, source).item()
        kept = max(1 - 2 * in_step + passed, LEAST)
        left, lost = max(passed, in_step), max(0.0, power / plain - 1) * kept
        lefts.append(left)
        losses.append(lost)
        powers.append(plain / kept)
        by_shaking.append(_decibels(left + lost))
        replayed.append(_decibels(again + lost))
    estimates = fmean(by_shaking), fmean(replayed)
    blind = 10 / math.log(10) * QUIET_DOUBT * 10 ** (fmean(estimates) / 10)
    spread = math.hypot(pstdev(by_shaking), pstdev(replayed)) / 2
    return Judgement(
        gain=fmean(estimates),
        uncertainty=math.hypot(DOUBT, (estimates[0] - estimates[1]) / 2, spread, blind),
        shaken=estimates[0],
        replayed=estimates[1],
        level=math.sqrt(fmean(powers)),
        left=fmean(lefts),
        lost=fmean(losses),
        correlation=alike,
    )


def _fine(change: Tensor) -> Tensor:
    """A change without its coarse part, in which brightness moves for other reasons than noise that is let through: where the light
    is kept, or a network is off by a constant."""
    return change - gaussian_blur(change, GRAIN)


def _decibels(error: float) -> float:
    """The gain that leaves this share of the noise's power as error; 40 dB at most."""
    return -10 * math.log10(max(error, 1e-4))
