"""The mean of the posterior and the likelihood against matrices of NumPy, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unnoise.layers.gaussian_posterior import GaussianPrior, negative_log_likelihood, posterior_mean


def _prior(channels: int, entries: int, seed: int) -> tuple[GaussianPrior, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    shape = 2, channels, 3, 4
    mean, noisy = (torch.rand(shape, generator=draws, dtype=torch.float64) for _ in range(2))
    factor = torch.randn(2, entries, 3, 4, generator=draws, dtype=torch.float64)
    noise = 0.1 + torch.rand(2, channels, 1, 1, generator=draws, dtype=torch.float64)
    return GaussianPrior(mean, factor, noise), noisy


def _covariance(factor: np.ndarray, channels: int) -> np.ndarray:
    if len(factor) == channels:
        return np.diag(factor**2)
    upper = np.zeros((channels, channels))
    upper[np.triu_indices(channels)] = factor
    return upper @ upper.T


@pytest.mark.parametrize(("channels", "entries"), [(1, 1), (3, 3), (3, 6), (2, 3), (4, 10)])
def test_against_matrices(channels: int, entries: int) -> None:
    prior, noisy = _prior(channels, entries, channels + entries)
    found, loss = posterior_mean(prior, noisy), negative_log_likelihood(prior, noisy)
    for b, i, j in np.ndindex(2, 3, 4):
        spread = _covariance(prior.factor[b, :, i, j].numpy(), channels)
        noise = np.diag(prior.noise[b, :, 0, 0].numpy() ** 2)
        y, mean = noisy[b, :, i, j].numpy(), prior.mean[b, :, i, j].numpy()
        expected = mean + spread @ np.linalg.solve(spread + noise, y - mean)
        np.testing.assert_allclose(found[b, :, i, j].numpy(), expected, rtol=1e-9, atol=1e-11)
        # the papers' form, with three inverses, of which the first is often nearly singular
        one, other = np.linalg.inv(spread), np.linalg.inv(noise)
        published = np.linalg.inv(one + other) @ (one @ mean + other @ y)
        np.testing.assert_allclose(found[b, :, i, j].numpy(), published, rtol=1e-3)
        total = spread + noise
        likelihood = 0.5 * (y - mean) @ np.linalg.inv(total) @ (y - mean) + 0.5 * np.log(np.linalg.det(total))
        assert loss[b, i, j].item() == pytest.approx(likelihood, rel=1e-9)


def test_gradients_are_those_of_differences() -> None:
    prior, noisy = _prior(3, 6, 0)
    parts = [part.requires_grad_() for part in prior]
    assert torch.autograd.gradcheck(lambda *given: negative_log_likelihood(GaussianPrior(*given), noisy), parts)


def test_a_certain_prior_keeps_its_mean_and_an_uncertain_one_takes_the_pixel() -> None:
    prior, noisy = _prior(3, 6, 1)
    certain = posterior_mean(prior._replace(factor=torch.zeros_like(prior.factor)), noisy)
    torch.testing.assert_close(certain, prior.mean)
    wide = torch.zeros_like(prior.factor)
    wide[:, (0, 3, 5)] = 1e5
    torch.testing.assert_close(posterior_mean(prior._replace(factor=wide), noisy), noisy)


def test_gradients_stay_finite_where_the_noise_is_lost_in_rounding() -> None:
    factor = torch.full((1, 6, 2, 2), 40.0).requires_grad_()
    prior = GaussianPrior(torch.zeros(1, 3, 2, 2), factor, torch.full((1, 3, 1, 1), 1e-3))
    negative_log_likelihood(prior, torch.rand(1, 3, 2, 2)).sum().backward()
    assert factor.grad is not None
    assert factor.grad.isfinite().all()
    assert factor.grad.abs().max() < 1e6
