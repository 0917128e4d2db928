"""The weight of a removal is the one with the least true error, and noise alone is removed whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from unnoise.inference.bounded_removal import bounded_removal
from unnoise.inference.overlapping_blocks import cosine_basis
from unnoise.inference.removal_risk import removal_weights, second_blocks
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_model import KNOTS, NoiseModel

SIGMA = 4 / 255


def _coefficients(picture: Tensor) -> list[Tensor]:
    rows, columns = (length // 4 - 1 for length in picture.shape[-2:])
    sigma = torch.full((len(picture), rows, columns, 1), SIGMA)
    return second_blocks(picture, torch.from_numpy(cosine_basis().T.copy()).expand(len(picture), -1, -1), sigma)


@settings(max_examples=10, deadline=None)
@given(channels=st.integers(1, 4), side=st.sampled_from([8, 20, 64, 100]), seed=st.integers(0, 999))
def test_noise_alone_is_removed_whole(channels: int, side: int, seed: int) -> None:
    noise = SIGMA * torch.randn(channels, side, side, generator=torch.Generator().manual_seed(seed))
    blocks = _coefficients(noise)
    assert removal_weights(blocks, blocks).mean() > 0.97


def test_nothing_removed_has_the_whole_weight() -> None:
    noisy = _coefficients(torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert (removal_weights([torch.zeros_like(x) for x in noisy], noisy) == 1).all()


@pytest.mark.parametrize("texture", [data.grass, data.gravel])
@pytest.mark.parametrize("blur", [0.5, 0.8])
def test_the_weight_is_that_with_the_least_true_error(texture: object, blur: float) -> None:
    """A blur takes texture with the noise. The reference knows the noise: the best weight of the residual r is n·r / r·r."""
    clean = torch.from_numpy(texture()[:256, :256]).float()[None] / 255  # type: ignore[operator]
    noise = SIGMA * torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(1))
    noisy = clean + noise
    residual = noisy - gaussian_blur(noisy[None], blur)[0]
    best = (noise * residual).sum() / residual.square().sum()
    found = removal_weights(_coefficients(residual), _coefficients(noisy))
    energy = torch.stack([block.square().sum(-1) for block in _coefficients(residual)]).sum(0)  # (r, columns)
    energy = energy.reshape(found.shape[0], 2, found.shape[1], 2).sum((1, 3))
    assert best < 0.7
    assert abs((found * energy).sum() / energy.sum() / 1.15 - best) < 0.1 * best + 0.03


def test_a_bounded_blur_of_grass_is_never_worse_than_the_noisy_picture() -> None:
    nothing = torch.zeros(3, KNOTS)
    model = NoiseModel(0, 1, torch.full((3, KNOTS), SIGMA**2), torch.ones(3, 16, 16), SIGMA, 0, nothing, nothing)
    clean = torch.from_numpy(data.grass()[:256, :256]).float().expand(1, 3, 256, 256) / 255
    noisy = clean + SIGMA * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    blurred = gaussian_blur(noisy, 0.45)
    bounded = bounded_removal(noisy, blurred, model)
    before, after = ((x - clean).square().mean() for x in (noisy, bounded))
    assert (blurred - clean).square().mean() > 1.5 * before
    assert after < before
