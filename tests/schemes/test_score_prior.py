"""The scheme that takes a trained denoiser as its prior."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unnoise import recipes
from unnoise.schemes.score_prior import ScorePrior, local_variance
from unnoise.schemes.teachers import TeacherChoice


class _Prior:
    """The best denoiser of pictures whose values are normal about a mean: they are drawn to it."""

    count = 1

    def __init__(self, mean: float, variance: float) -> None:
        self.mean, self.variance, self.seen = mean, variance, torch.empty(0)

    def __call__(self, noisy: Tensor, values: tuple[float, float], generator: torch.Generator | None = None) -> Tensor:
        self.seen = noisy
        share = self.variance / (self.variance + (0.05 * (values[1] - values[0])) ** 2)
        return (self.mean + share * (noisy - self.mean))[None]


class _Values(nn.Module):
    """Each value is a parameter."""

    value_range = (0.0, 1.0)

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(start.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.values


def _scheme(prior: _Prior, network: nn.Module) -> ScorePrior:
    scheme = ScorePrior(teachers=(TeacherChoice(model="any"),), deviation=0.05, window=3)
    return scheme.bind(lambda *_: prior, network)  # type: ignore[arg-type,return-value]


def test_the_gradient_is_that_of_likelihood_and_prior() -> None:
    draws = torch.Generator().manual_seed(0)
    noisy, start = (torch.rand(1, 2, 5, 6, generator=draws, dtype=torch.float64) for _ in range(2))
    network, prior = _Values(start), _Prior(0.5, 0.01)
    loss = _scheme(prior, network).loss(network, noisy, torch.Generator().manual_seed(3))
    loss.backward()
    assert network.values.grad is not None
    variance = torch.zeros_like(noisy)
    residual = (noisy - start).square()
    for i in range(5):
        for j in range(6):
            variance[..., i, j] = residual[..., max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((2, 3))
    smoothed = start + 0.05 * torch.randn(start.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(prior.seen, smoothed)
    likely = prior(smoothed, (0.0, 1.0))[0]
    expected = (start - noisy) / variance + (start - likely) / 0.05**2
    torch.testing.assert_close(network.values.grad, expected / noisy.numel())


def test_the_result_lies_between_the_picture_and_the_prior() -> None:
    draws = torch.Generator().manual_seed(1)
    noisy = 0.3 + 0.1 * torch.randn(1, 1, 24, 24, generator=draws)
    network = _Values(torch.full_like(noisy, 0.5))  # a network begins far from the picture
    scheme = _scheme(_Prior(0.3, 1e-4), network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    before = (noisy - 0.3).square().mean()
    for _ in range(150):
        optimizer.zero_grad()
        scheme.loss(network, noisy, draws).backward()
        optimizer.step()
    assert (network.values - 0.3).square().mean() < 0.4 * before


def test_the_local_variance_is_a_mean_of_squares() -> None:
    residual = torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(2)) * 0.2
    assert local_variance(residual, 39)[..., 20, 25].mean().item() == pytest.approx(0.04, rel=0.1)


def test_the_recipe() -> None:
    assert recipes.load("score-dvi-quick").scheme.deviation == pytest.approx(15 / 255, abs=1e-4)  # type: ignore[attr-defined]
