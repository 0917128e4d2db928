"""The scheme that learns priors by the likelihood of the noisy pixels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.errors import UsageError
from unnoise.layers.gaussian_posterior import GaussianPrior
from unnoise.models.model import fresh
from unnoise.schemes.posterior_mean import PosteriorMean


class _Told:
    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor, *, only_prior: bool = False) -> GaussianPrior:
        self.seen.append(x)
        half = torch.full_like(x, 0.5)
        return GaussianPrior(half, torch.zeros_like(x), torch.full((len(x), 3, 1, 1), 0.2))


def test_the_loss_is_the_likelihood_less_the_noise() -> None:
    noisy = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = 3 * ((noisy - 0.5).square() / (2 * 0.2**2) + torch.tensor(0.2).log()).mean()
    for stride in (1, 2):
        network = _Told()
        loss = PosteriorMean(train_stride=stride, balance=0.3).loss(network, noisy)  # type: ignore[arg-type]
        torch.testing.assert_close(loss, expected - 0.3 * 0.2)
        assert network.seen[0].shape == (2 * stride**2, 3, 8 // stride, 8 // stride)


def test_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="laine19, dbsn-first"):
        PosteriorMean().check(denoisers.lookup("dbsn"))


@pytest.mark.parametrize("name", ["laine19-quick", "d-bsn-quick"])
def test_recipes_make_a_model_that_denoises(name: str) -> None:
    noisy = torch.rand(40, 33, 3).numpy()
    model = fresh(recipes.load(name))
    loss = model.recipe.scheme.loss(model.network, torch.rand(2, 3, 64, 64))
    loss.backward()
    assert torch.isfinite(loss)
    assert model.denoise(noisy).shape == noisy.shape
