"""All classical denoisers as models: what they gain, for grey pictures and colors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from unnoise import load
from unnoise.denoisers import classical_names, create
from unnoise.denoisers.classical.base import ClassicalDenoiser
from unnoise.denoisers.classical.noise import Noise

LEAST_GAIN_DB = {"bm3d": 8.0, "wnnm": 8.0, "mcwnnm": 8.0, "non-local-means": 5.5, "wavelets": 5.0, "total-variation": 5.5}


def gain(restored: torch.Tensor, noisy: torch.Tensor, clean: torch.Tensor) -> float:
    return float(10 * torch.log10((noisy - clean).square().mean() / (restored - clean).square().mean()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", classical_names())
def test_each_gains_what_it_should(name: str, channels: int) -> None:
    clean = torch.from_numpy(data.cat()[60:156, 120:216] / 255.0).permute(2, 0, 1)[None, :channels].float()
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    network = create(name, channels=channels)
    assert isinstance(network, ClassicalDenoiser)
    restored = network(noisy, Noise.white(0.1, channels))
    assert (restored.shape, restored.dtype) == (noisy.shape, noisy.dtype)
    assert gain(restored, noisy, clean) > LEAST_GAIN_DB[name]


@pytest.mark.parametrize("name", classical_names())
def test_two_pictures_of_a_batch_do_not_mix(name: str) -> None:
    pictures = torch.rand(2, 1, 24, 31, generator=torch.Generator().manual_seed(0))
    network = create(name, channels=1)
    noise = Noise.white(0.1, 1)
    torch.testing.assert_close(network(pictures, noise)[1:], network(pictures[1:], noise))


@pytest.mark.parametrize("name", classical_names())
def test_each_is_a_model_that_measures_the_noise(name: str) -> None:
    clean = data.cat()[60:188, 120:248] / 255.0
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).clip(0, 1).astype(np.float32)
    restored = load(name).denoise(noisy)
    assert np.square(restored - clean).mean() < np.square(noisy - clean).mean() / 2


@pytest.mark.parametrize(("side", "sigma"), [(64, 0.05), (128, 0.02)])
def test_total_variation_removes_as_much_as_the_noise_where_large_weights_do_not_converge(side: int, sigma: float) -> None:
    """Bisection from a large weight removes 0.975 and 1.035 times the noise's variance here."""
    across = torch.linspace(0, 1, side).expand(side, side)
    clean = torch.stack([across, across.T, (across + across.T) / 2])[None]
    noisy = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    restored = create("total-variation", channels=3)(noisy, Noise.white(sigma, 3))
    assert (noisy - restored).square().mean().item() == pytest.approx(sigma**2, rel=0.01)
    assert gain(restored, noisy, clean) > 6
