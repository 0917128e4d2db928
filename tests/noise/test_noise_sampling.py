"""Noise drawn from a model: its level, its spectrum and its channels are those that were measured."""

from __future__ import annotations

import pytest
import torch

from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_sampling import channel_correlation, noise_sigma, sample_noise, white_part
from unnoise.regions import RegionSource

SIZE = (1, 3, 160, 160)


def _neighbours(noise: torch.Tensor) -> float:
    """The correlation of pixels side by side."""
    return ((noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()).item()


@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_what_is_drawn_is_like_what_was_measured(blur: float) -> None:
    draw = torch.Generator().manual_seed(0)
    own = torch.randn(SIZE, generator=draw)
    own[:, 1] = own[:, 0] * 0.8 + own[:, 1] * 0.6
    own = gaussian_blur(own, blur) if blur else own
    own = 0.04 * own / own.std()
    noisy = 0.5 + own
    model = estimate_noise(RegionSource.of(noisy))
    assert model is not None
    sigma = noise_sigma(model, gaussian_blur(noisy, 8.0))
    channels = channel_correlation(noisy - gaussian_blur(noisy, 8.0))
    drawn = sample_noise(model, sigma, channels, draw)
    assert drawn.std().item() == pytest.approx(0.04, rel=0.1)
    assert _neighbours(drawn) == pytest.approx(_neighbours(own), abs=0.1)
    assert channel_correlation(drawn)[0, 1].item() == pytest.approx(0.8, abs=0.08)
    assert channel_correlation(drawn)[0, 2].item() == pytest.approx(0, abs=0.1)
    assert abs((drawn * own).mean().item()) < 0.05 * 0.04**2  # independent


def _counted(blur: float) -> tuple[torch.Tensor, float]:
    """A pattern that fills the picture, with white noise or, blurred, with coarse noise; and the noise's level."""
    rows, columns = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    clean = 0.3 + 0.3 * torch.exp(-((4 * torch.sin(rows / 6 + columns / 9)) ** 2))
    noise = 0.06 * torch.randn(1, 1, 160, 160, generator=torch.Generator().manual_seed(0))
    noise = gaussian_blur(noise, blur) if blur else noise
    return clean + noise, noise.std().item()


def test_a_pattern_that_fills_a_measurement_is_no_noise() -> None:
    noisy, level = _counted(0)
    model = estimate_noise(RegionSource.of(noisy), coded=False)
    assert model is not None
    assert model.level < 1.3 * level  # twice as much with the peaks of its spectra
    assert white_part(model).level == pytest.approx(level, rel=0.15)


def test_noise_that_was_resampled_stays_as_measured() -> None:
    noisy, _ = _counted(1.2)
    model = estimate_noise(RegionSource.of(noisy), coded=False)
    assert model is not None
    assert white_part(model) is model
