"""Is a restoration any good? Told without a clean picture, from the noisy one, its restoration, and by restoring it again.

The noise is measured in the noisy picture alone, so its level is the same whatever made the result. All errors are told
in units of its power σ². Two estimates are joined, each by its uncertainty.

The first one adds up parts. It is good where little error is left.

- *Left of the noise*, found in two ways with more noise b of the picture's own kind (see `noise.noise_sampling`). *Shaken*: with
  d = (f(x + εb) − f(x)) / ε, the share λ = mean b·d / mean b² follows the noise, and v = mean d² / mean b² is let through. λ is the
  whole error of the best possible restoration. For the covariance of what remains unknown is σ² times the derivative of the mean (Manor
  and Michaeli, "On the posterior distribution in denoising", ICLR 2024). *Replayed*: the restored picture y is taken for the truth.
  Noise is added and taken away again: mean (f(y + b) − y)² / mean b².
- *Structure lost* is the larger one of two findings. `excess` is what the residual holds beyond the noise at any scale (see
  `inference.bounded_removal`). And a residual of noise alone has the power (1 − 2λ + v)·σ². Its quiet places have that power; what
  busy places have beyond it is structure.

The second one is Stein's unbiased risk by Monte Carlo: with the residual's power r, the error is r − 1 + 2λ (Ramani, Blu and Unser,
"Monte-Carlo SURE", IEEE Transactions on Image Processing, 2008). It needs no assumption on the network, but the noise's power. So it
is good where much error is left, and decides whether a result is worse than the noisy picture.

*Drift* is the part of `excess` that moves local means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.noise_sampling import channel_correlation, noise_sigma, sample_noise
from unnoise.noise.residual_noise import noise_level, perturbed, power_ratio
from unnoise.quality.residual_structure import correlation
from unnoise.quality.verdict import Verdict, verdict_of

PROBES = 2
PERTURBATION = 0.1
"""ε, in units of the noise. At 0.5 the picture has an eighth more noise than was measured in it. What bounds the removal then puts noise
back: up to 3.7 dB too little gain."""
GRAIN = 8.0
"""Standard deviation in pixels of the Gaussian beyond which a change of the restored picture is no noise that was let through."""
LEAST = 0.05
"""A residual is taken to hold at least so much of the noise's power."""
FAINT = 0.25 / 255
"""Standard deviation below which there is no noise to speak of: that of rounding to 8 bits."""
SMALLEST = 8
"""Side in pixels of a picture below which there is too little of it to tell a gain."""
CELL_PIXELS = 16
"""Side of the cells whose means tell drift."""
BANDS = 4
"""Bands of frequencies in which the noise's spectrum is told, evenly from the mean to the highest frequency."""
PARTS_DOUBT = 0.5
"""Standard deviation of the error that is found by parts, relative to itself."""
LEVEL_DOUBT = 0.1
"""Standard deviation of the noise's measured power, relative to itself."""
TEXTURE_DOUBT = 0.4
"""The same in addition, where a camera has smoothed noise away in plain places alone; see `NoiseModel.doubt`."""
LEAST_TAKEN = 0.3
"""Of the noise's power: a residual counts as at least so large, where its uncertainty is told."""
LOWEST = 0.01
"""Of the noise's power: smaller errors cannot be told."""
DOUBT = 0.5
"""Decibels of uncertainty in any case."""


class Judgement(BaseModel):
    """What is known of a restoration without the truth."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float | None
    """Estimated gain in PSNR over the noisy picture, in dB; None: there is too little noise to tell."""
    uncertainty: float | None
    """Of the gain, in dB, about one standard deviation."""
    shaken: float | None
    """The gain in dB by perturbing the input alone."""
    replayed: float | None
    """The gain in dB by denoising the result with noise added again, alone."""
    stein: float | None = None
    """The gain in dB by Stein's unbiased risk alone."""
    level: float
    """Standard deviation of the noise, 0..1, as measured in the noisy picture alone."""
    left: float | None
    """Power of the noise that is still in the result, in units of the noise's, by shaking."""
    lost: float | None
    """Power of the structure that was taken, without drift, in the same units."""
    correlation: float
    """Of the residual's fine detail with the picture's, −1..1; see `noise.structure`. Well above 0: edges or textures were weakened."""
    drift: float | None = None
    """Power by which local means moved beyond the noise, in the same units."""
    spectrum: tuple[float, ...] = ()
    """Power of the noise in `BANDS` bands of frequencies, coarse to fine, relative to white noise of the same level."""
    taken: float = 0.0
    """Root mean square of what was taken from the picture, 0..1."""
    verdict: Verdict = Verdict.UNKNOWN
    """All of this in a few words."""
    pictures: int = 1
    """Number of pictures in the file. Only the first is judged."""

    @property
    def loses_structure(self) -> bool:
        """Whether the restoration removed structure, beyond what chance explains.

        >>> facts = {"uncertainty": 0.1, "shaken": 1.0, "replayed": 1.0, "level": 0.05, "left": 0.0, "correlation": 0.0}
        >>> Judgement(gain=3.0, lost=0.0, **facts).loses_structure
        False
        """
        return self.verdict in (Verdict.TOOK_STRUCTURE, Verdict.WORSE)


def judge(
    noisy: Tensor,
    restored: Tensor,
    restore: Callable[[Tensor], Tensor],
    *,
    noise: NoiseModel | None,
    excess: Tensor | None = None,
    seed: int = 0,
) -> Judgement:
    """Judge one restoration.

    Args:
        noisy: (1, C, H, W) in 0..1.
        restored: the result that is judged; it need not be `restore(noisy)`, but be near to it.
        restore: takes and gives (1, C, H, W), the same result for the same picture; called `1 + 2·PROBES` times. In full precision:
            it is asked for small differences.
        noise: as `estimate_noise` measures it in `noisy`; None: there is too little of the picture to measure it.
        excess: (1, C, H, W), what `noisy − restored` holds beyond the noise; None: nothing.
        seed: of the probes.

    Raises:
        UsageError: for a batch.

    >>> noisy = torch.rand(1, 3, 64, 64)
    >>> judge(noisy, noisy, lambda x: x, noise=None).taken
    0.0
    """
    if len(noisy) != 1:
        raise UsageError(f"One picture is judged at a time, not a batch of {len(noisy)}; call it for each.")
    residual = noisy - restored
    power = residual.square().mean().item()
    known: dict[str, Any] = {"correlation": correlation(residual, restored), "taken": math.sqrt(power)}
    if noise is None or noise.is_none or min(noisy.shape[-2:]) < SMALLEST:
        nothing: dict[str, Any] = dict.fromkeys(("gain", "uncertainty", "shaken", "replayed", "left", "lost"))
        verdict = Verdict.UNKNOWN
        if noise is not None and noise.is_none:
            if power <= FAINT**2:
                verdict = Verdict.NO_NOISE
            elif _is_clean(noisy):
                verdict = Verdict.WORSE
        return Judgement(level=0.0, verdict=verdict, **known, **nothing)
    coarse = gaussian_blur(noisy, GRAIN)
    sigma = noise_sigma(noise, coarse)
    own = sigma.square().mean().item()  # σ²
    correlated = channel_correlation(noisy - coarse)
    level = noise_level(residual, restored)
    quiet = level.square().mean().item()
    found, drift = _parts(excess, own)
    source = torch.Generator().manual_seed(seed)
    base = restore(noisy)
    passed, in_step, again = [], [], []
    for _ in range(PROBES):
        extra = sample_noise(noise, sigma, correlated, source)
        fine = _fine(extra)
        added = fine.square().mean().item()
        moved = _fine(perturbed(restore, noisy, base, extra, PERTURBATION))
        passed.append(moved.square().mean().item() / added)
        in_step.append((fine * moved).mean().item() / added)
        again.append(_fine(restore(restored + extra) - restored).square().mean().item() / added)
    follows, replay = fmean(in_step), fmean(again)
    through = min(fmean(passed), replay)  # a threshold that a pixel crosses looks like much noise let through
    lost = found
    plain = quiet * power_ratio(residual, level, restored, source).item() if quiet > 0 else 0.0
    if plain > 0:
        lost = max(found, (power / plain - 1) * max(1 - 2 * follows + through, LEAST) - drift)
    left = max(through, follows)
    by_parts = left + lost + drift, replay + lost + drift
    parts, risk = math.sqrt(max(by_parts[0] * by_parts[1], LOWEST**2)), power / own - 1 + 2 * follows
    error, doubt = _joined(
        (parts, PARTS_DOUBT * parts + LOWEST),
        (risk, (LEVEL_DOUBT + TEXTURE_DOUBT * noise.doubt) * max(power / own, LEAST_TAKEN)),
    )
    lost = max(lost, error - doubt - left - drift)
    gain = _decibels(error)
    apart = abs(_decibels(by_parts[0]) - _decibels(by_parts[1])) / 2
    return Judgement(
        gain=gain,
        uncertainty=math.hypot(DOUBT, apart, 10 / math.log(10) * doubt / max(error, LOWEST)),
        shaken=_decibels(by_parts[0]),
        replayed=_decibels(by_parts[1]),
        stein=_decibels(risk),
        level=noise.level,
        left=left,
        lost=lost,
        drift=drift,
        spectrum=_bands(noise),
        verdict=verdict_of(gain, left, lost + drift),
        **known,
    )


def _joined(*estimates: tuple[float, float]) -> tuple[float, float]:
    """The mean of estimates, each given with its standard deviation and weighted by its inverse square, and the mean's own deviation."""
    weights = [deviation**-2 for _, deviation in estimates]
    mean = sum(value * weight for (value, _), weight in zip(estimates, weights, strict=True)) / sum(weights)
    return max(mean, 0.0), sum(weights) ** -0.5


def _is_clean(picture: Tensor) -> bool:
    """Whether most places of it hold neither noise nor texture that could be noise."""
    smooth = gaussian_blur(picture, 1.0)
    return noise_level(picture - smooth, smooth).median().item() < FAINT


def _parts(excess: Tensor | None, own: float) -> tuple[float, float]:
    """The powers of its structure and of its local means, in units of the noise's."""
    if excess is None:
        return 0.0, 0.0
    whole = excess.square().mean().item()
    means = F.avg_pool2d(excess, CELL_PIXELS, ceil_mode=True, count_include_pad=False)
    drift = min(means.square().mean().item(), whole)
    return (whole - drift) / own, drift / own


def _bands(noise: NoiseModel) -> tuple[float, ...]:
    """See `Judgement.spectrum`."""
    powers = noise.coefficients(1).mean(0)  # (8, 8)
    powers = powers / powers.mean()
    place = torch.arange(len(powers))
    band = torch.maximum(place[:, None], place) * BANDS // len(powers)
    return tuple(powers[band == number].mean().item() for number in range(BANDS))


def _fine(change: Tensor) -> Tensor:
    """A change without its coarse part. There brightness also moves for other reasons than noise, such as bias correction or an
    offset of the network."""
    return change - gaussian_blur(change, GRAIN)


def _decibels(error: float) -> float:
    """The gain that leaves this share of the noise's power as error; 40 dB at most."""
    return -10 * math.log10(max(error, 1e-4))
