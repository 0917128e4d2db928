"""Criteria that rank restorations of one noisy picture without a clean one. For each, less is better.

docs/results/selection.md tells how well they rank the checkpoints of a training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_model import BLOCK_SAMPLES, NoiseModel
from unnoise.noise.noise_sampling import channel_correlation, noise_sigma, sample_noise
from unnoise.quality.residual_structure import correlation

GRAIN = 8.0
"""Standard deviation in pixels of the Gaussian that leaves the brightness without noise."""
PERIOD = 4
"""Distance of masked pixels in rows and columns."""
MASKS = ((0, 0), (2, 1))
"""Places of the masked pixels in a period."""
PROBES = 2
PERTURBATION = 0.1
"""Of the probes, in units of the noise."""
LEAST_SHARE = 1e-3
"""Of the mean power: weaker coefficients count as so strong, so that their logarithm is finite."""

Restore = Callable[[Tensor], Tensor]


class Criteria(NamedTuple):
    """The criteria of one restoration. NaN: the noise cannot be told.

    >>> Criteria._fields
    ('blind_spot', 'residual_correlation', 'residual_spectrum', 'sure', 'halves')
    """

    blind_spot: float
    """Mean squared error at pixels that were hidden, by the mean of their neighbours (Batson and Royer, "Noise2Self", ICML
    2019). Of noise that is independent from pixel to pixel it is the error to the truth and the noise's power."""
    residual_correlation: float
    """Of the residual's detail with that of the result, as a size; see `quality.residual_structure`."""
    residual_spectrum: float
    """Mean absolute logarithm of the residual's power over the noise's, over the coefficients of 8×8 blocks."""
    sure: float
    """Stein's unbiased estimate of the mean squared error by Monte Carlo, with noise of the measured kind (Ramani, Blu
    and Unser, IEEE Transactions on Image Processing, 2008), in units of the noise's power."""
    halves: float
    """Two pictures of half the size are made of every other pixel. Mean squared difference of one restored and the other
    noisy (Huang et al., "Neighbor2Neighbor", CVPR 2021)."""


def reference_free(noisy: Tensor, restore: Restore, noise: NoiseModel | None, seed: int = 0) -> Criteria:
    """Judge how `restore` does on a picture.

    Args:
        noisy: (1, C, H, W) in 0..1, both sides at least 16.
        restore: takes and gives (1, C, H, W); called 7 times.
        noise: as `estimate_noise` measures it in `noisy`; None: unknown.
        seed: of the probes.

    >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> flat = reference_free(noisy, lambda x: torch.full_like(x, 0.5), None)
    >>> round(flat.blind_spot, 2), round(flat.halves, 2)
    (0.01, 0.01)
    """
    restored = restore(noisy)
    residual = noisy - restored
    known = noise is not None and not noise.is_none
    return Criteria(
        blind_spot=_blind_spot(noisy, restore),
        residual_correlation=abs(correlation(residual, restored)),
        residual_spectrum=_spectrum(noisy, residual, noise) if known and noise else float("nan"),
        sure=_sure(noisy, restored, restore, noise, seed) if known and noise else float("nan"),
        halves=_halves(noisy, restore),
    )


def _blind_spot(noisy: Tensor, restore: Restore) -> float:
    kernel = torch.tensor([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]], device=noisy.device) / 6
    channels = noisy.shape[1]
    weights = kernel.expand(channels, 1, 3, 3)
    around = F.conv2d(F.pad(noisy, (1, 1, 1, 1), mode="reflect"), weights, groups=channels)
    errors = []
    for top, left in MASKS:
        hidden = noisy.clone()
        hidden[..., top::PERIOD, left::PERIOD] = around[..., top::PERIOD, left::PERIOD]
        errors.append((restore(hidden) - noisy)[..., top::PERIOD, left::PERIOD].square().mean())
    return float(torch.stack(errors).mean())


def _spectrum(noisy: Tensor, residual: Tensor, noise: NoiseModel) -> float:
    variance = noise_sigma(noise, gaussian_blur(noisy, GRAIN)).square().mean((0, 2, 3))  # (C,)
    told = noise.coefficients(1).to(residual)  # (C, 8, 8)
    told = told / told.mean((1, 2), keepdim=True) * variance[:, None, None]
    side = BLOCK_SAMPLES
    rows, columns = noisy.shape[-2] // side * side, noisy.shape[-1] // side * side
    blocks = residual[0, :, :rows, :columns].reshape(len(told), rows // side, side, columns // side, side)
    basis = _cosines(side).to(residual)
    found = torch.einsum("ky,cmynx,lx->cmnkl", basis, blocks, basis).square().mean((1, 2))  # (C, 8, 8)
    floor = LEAST_SHARE * told.mean()
    return float((found.clamp(min=floor) / told.clamp(min=floor)).log().abs().mean())


def _cosines(size: int) -> Tensor:
    """The orthonormal cosine transform, (size, size)."""
    place = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(torch.pi * (place + 0.5) * place[:, None] / size) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows


def _sure(noisy: Tensor, restored: Tensor, restore: Restore, noise: NoiseModel, seed: int) -> float:
    coarse = gaussian_blur(noisy, GRAIN)
    sigma = noise_sigma(noise, coarse)
    own = sigma.square().mean()
    channels, source = channel_correlation(noisy - coarse), torch.Generator().manual_seed(seed)
    follows = []
    for _ in range(PROBES):
        extra = sample_noise(noise, sigma, channels, source)
        moved = (restore(noisy + PERTURBATION * extra) - restored) / PERTURBATION
        follows.append((extra * moved).mean() / extra.square().mean())
    return float((noisy - restored).square().mean() / own - 1 + 2 * torch.stack(follows).mean())


def _halves(noisy: Tensor, restore: Restore) -> float:
    rows, columns = noisy.shape[-2] // 2 * 2, noisy.shape[-1] // 2 * 2
    one, other = noisy[..., 0:rows:2, 0:columns:2], noisy[..., 1:rows:2, 1:columns:2]
    return float(((restore(one) - other).square().mean() + (restore(other) - one).square().mean()) / 2)
