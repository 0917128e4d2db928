"""PD around a denoiser of white noise: the stride that is chosen, and the result pixel by pixel."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.models.model import fresh
from unnoise.regions import RegionSource
from unnoise.rng import PositionalGenerator
from unnoise.schemes.pd_white_noise import PDWhiteNoise


def _blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _noise(spread: int, seed: int = 0) -> Tensor:
    """Noise with a square of correlated pixels, of deviation 0.08."""
    white = torch.randn(1, 3, 160 + spread, 160 + spread, generator=torch.Generator().manual_seed(seed))
    noise = F.avg_pool2d(white, spread, stride=1)[..., :160, :160]
    return 0.5 + 0.08 * noise / noise.std()


@pytest.mark.parametrize(("spread", "stride"), [(1, 1), (2, 2), (3, 3), (6, 4)])
def test_the_stride_breaks_the_correlation(spread: int, stride: int) -> None:
    assert PDWhiteNoise().stride_for(lambda x: x, RegionSource.of(_noise(spread))) == stride


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_result_written_out(stride: int) -> None:
    noisy = torch.rand(1, 2, 12, 18, generator=torch.Generator().manual_seed(1))
    found = PDWhiteNoise(stride=stride, background=0.3).restore(_blurred, noisy)
    if stride == 1:
        torch.testing.assert_close(found, _blurred(noisy))
        return
    smooth = torch.zeros_like(noisy)
    for i in range(stride):
        for j in range(stride):
            smooth[..., i::stride, j::stride] = _blurred(noisy[..., i::stride, j::stride])
    refined = []
    for i in range(stride):
        for j in range(stride):
            mixed = noisy.clone()
            mixed[..., i::stride, j::stride] = smooth[..., i::stride, j::stride]
            refined.append(_blurred(mixed))
    torch.testing.assert_close(found, 0.3 * smooth + 0.7 * torch.stack(refined).mean(0))


@pytest.mark.parametrize("stride", [0, 2])
def test_tiles_agree_with_the_whole_picture(stride: int) -> None:
    noisy = _noise(2)
    network = denoisers.create("ffdnet", features=4, layers=3)
    scheme, radius = PDWhiteNoise(stride=stride), network.receptive_field_radius
    assert radius
    with torch.no_grad():
        whole = scheme.restore(network, noisy)
        for region in ((slice(0, 24), slice(100, 160)), (slice(72, 96), slice(48, 72))):
            part = scheme.restore_region(network, RegionSource.of(noisy), region, radius, 2, PositionalGenerator(0))
            torch.testing.assert_close(part, whole[..., *region])


def test_the_recipe_restores_odd_pictures() -> None:
    noisy = torch.rand(37, 41, 3).numpy()
    assert fresh(recipes.load("pd-denoising-quick")).denoise(noisy).shape == noisy.shape
