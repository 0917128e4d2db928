"""More noise of a picture's own kind, drawn from its noise model.

Unlike noise that is cut out of the picture, it holds none of its patterns and edges.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from unnoise.noise.noise_model import BLOCK_SAMPLES, NoiseModel

BLOCK_PIXELS = 16
"""Side of the blocks in which the correlation of channels is measured."""
QUIET_SHARE = 0.25
"""Share of the blocks that count: those that vary least."""
HIGHEST = 11
"""Index of the highest frequencies of the model's spectrum, from here on."""
LEAST_WHITE = 0.1
"""With a smaller share of the mean power at the highest frequencies, noise cannot be white."""
LEAST_SHARE = 1e-3
"""Of a channel's mean power: so much every frequency has."""


def noise_sigma(noise: NoiseModel, seen: Tensor) -> Tensor:
    """The standard deviation of the noise at each pixel of a picture without noise, (1, C, H, W) → the same shape.

    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> noise = 0.1 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> sigma = noise_sigma(estimate_noise(RegionSource.of(0.5 + noise)), torch.full_like(noise, 0.5))
    >>> sigma.mean().round(decimals=1)
    tensor(0.1000)
    """
    power = noise.spectrum.mean((1, 2)).to(seen)[:, None, None]  # (C, 1, 1)
    return (noise.variance_at(seen[0]) * power).clamp(min=noise.floor**2).sqrt()[None]


def white_part(noise: NoiseModel) -> NoiseModel:
    """The noise of a measurement, whose pixels count photons independently: no frequency has more than the highest ones.

    What coarse frequencies have beyond that is structure that fills the picture. Where the highest ones have next to
    nothing, the picture was resampled, and its noise stays as measured.

    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> noise = 0.1 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> white = white_part(estimate_noise(RegionSource.of(0.5 + noise)))
    >>> round(white.level, 1)
    0.1
    """
    highest = noise.spectrum[:, HIGHEST:, HIGHEST:].mean()
    mean = noise.spectrum.mean()
    if not highest > LEAST_WHITE * mean:
        return noise
    spectrum = noise.spectrum.clamp(max=highest.item())
    return replace(noise, spectrum=spectrum, level=noise.level * (spectrum.mean() / mean).sqrt().item())


def sample_noise(noise: NoiseModel, sigma: Tensor, channels: Tensor, source: torch.Generator) -> Tensor:
    """Draw Gaussian noise with the model's spectrum.

    Args:
        noise: the model; its spectrum is used, its level is not.
        sigma: (1, C, H, W), the standard deviation at each pixel.
        channels: (C, C), how channels correlate; see `channel_correlation`.
        source: of all random numbers.

    Returns:
        (1, C, H, W).

    >>> spectrum, curve = torch.ones(1, 16, 16), torch.full((1, 65), 0.01)
    >>> white = NoiseModel(0.0, 1.0, curve, spectrum, 0.1, 0.0, 0 * curve, 0 * curve)
    >>> drawn = sample_noise(white, torch.full((1, 1, 64, 64), 0.1), torch.eye(1), torch.Generator().manual_seed(0))
    >>> abs(drawn.std().item() - 0.1) < 0.005
    True
    """
    height, width = sigma.shape[-2:]
    white = torch.randn(sigma.shape, generator=source, device=source.device).to(sigma.device)[0]  # (C, H, W)
    root = torch.linalg.cholesky(channels.to(white) + 1e-4 * torch.eye(len(channels), device=white.device))
    mixed = torch.einsum("cd,dhw->chw", root, white)
    power = noise.coefficients(1).to(white)  # (C, 8, 8)
    power = power / power.mean((1, 2), keepdim=True).clamp(min=1e-20)
    rows = torch.fft.fftfreq(height, device=white.device).abs()
    columns = torch.fft.rfftfreq(width, device=white.device)
    gain = _at(_at(power.clamp(min=LEAST_SHARE), rows, 1), columns, 2).sqrt()  # (C, H, W / 2 + 1)
    colored = torch.fft.irfft2(torch.fft.rfft2(mixed) * gain, s=(height, width))
    unit = colored / colored.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-20)
    return unit[None] * sigma


def channel_correlation(grain: Tensor) -> Tensor:
    """How the noise of channels correlates, measured in the plainest blocks: (1, C, H, W) → (C, C) with a diagonal of 1.

    Args:
        grain: the noisy picture without its coarse part.

    >>> grain = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).expand(1, 2, 64, 64)
    >>> channel_correlation(grain).round(decimals=2)  # two equal channels
    tensor([[1., 1.],
            [1., 1.]])
    """
    channels = grain.shape[1]
    side = min(BLOCK_PIXELS, *grain.shape[-2:])
    rows, columns = grain.shape[-2] // side * side, grain.shape[-1] // side * side
    blocks = grain[0, :, :rows, :columns].reshape(channels, rows // side, side, columns // side, side)
    blocks = blocks.transpose(2, 3).reshape(channels, -1, side * side)  # (C, n, side²)
    blocks = blocks - blocks.mean(-1, keepdim=True)
    energy = blocks.square().mean((0, 2))
    plain = energy.argsort()[: max(1, round(QUIET_SHARE * len(energy)))]
    values = blocks[:, plain].flatten(1)
    values = values / values.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
    matrix = values @ values.T / values.shape[1]
    return matrix.fill_diagonal_(1.0)


def _at(power: Tensor, frequency: Tensor, dimension: int) -> Tensor:
    """Powers of the `BLOCK_SAMPLES` frequencies of a cosine transform, at frequencies in cycles per pixel, 0..0.5."""
    place = (frequency * 2 * BLOCK_SAMPLES).clamp(max=BLOCK_SAMPLES - 1)
    left = place.floor().clamp(max=BLOCK_SAMPLES - 2)
    share = (place - left).reshape([-1 if d == dimension else 1 for d in range(3)])
    index = left.long()
    return torch.lerp(power.index_select(dimension, index), power.index_select(dimension, index + 1), share)
