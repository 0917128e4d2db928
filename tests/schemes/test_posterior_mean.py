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


def test_the_mean_learns_first() -> None:
    network = fresh(recipes.load("d-bsn-quick")).network
    noisy = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    scheme = PosteriorMean(mean_first=0.25)
    expected = (network(noisy, only_prior=True).mean - noisy).square().mean()
    torch.testing.assert_close(scheme.at(0.24).loss(network, noisy), expected)
    torch.testing.assert_close(scheme.at(0.25).loss(network, noisy), PosteriorMean().loss(network, noisy))
    torch.testing.assert_close(PosteriorMean().at(0.0).loss(network, noisy), PosteriorMean().loss(network, noisy))


def test_the_first_prior_of_d_bsn_is_no_wider_than_a_picture() -> None:
    """With a wide prior the posterior is the noisy pixel, and the mean learns nothing."""
    torch.manual_seed(0)
    network = denoisers.create("dbsn-first", features=32, blocks=8, width=16)
    network.initialize_he()
    x = torch.rand(2, 3, 24, 24)
    prior = network(x, only_prior=True)
    assert prior.mean.abs().mean() < 0.6
    assert prior.factor.abs().mean() < 0.6
    assert prior.noise.mean().item() == pytest.approx(0.05, abs=0.02)
