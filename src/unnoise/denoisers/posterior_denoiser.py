"""Denoisers that tell a Gaussian prior of each pixel without looking at it, and join it with the noisy pixel."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.layers.gaussian_posterior import GaussianPrior, posterior_mean

LEAST_NOISE = 1e-3
"""The lowest standard deviation of the noise, in 0..1."""


class PosteriorDenoiser(Denoiser):
    """(B, C, H, W) → the posterior's mean, of the same shape, values in [0, 1]. The prior is blind, the result is not.

    >>> from unnoise import denoisers
    >>> issubclass(denoisers.lookup("laine19"), PosteriorDenoiser)
    True
    """

    @abstractmethod
    def prior(self, x: Tensor) -> GaussianPrior:
        """The prior of the clean pixels, strictly blind, and the noise: (B, C, H, W) → maps of that size."""

    def forward(self, x: Tensor, *, only_prior: bool = False) -> GaussianPrior | Tensor:
        """The mean of the posterior; with `only_prior` what it is made of."""
        prior = GaussianPrior(*(part.to(x.dtype) for part in self.prior(x)))
        return prior if only_prior else posterior_mean(prior, x)


def positive_deviation(estimate: Tensor) -> Tensor:
    """softplus(x − 4) + 0.001: positive, and small for an estimate of 0, of any shape.

    Example:
        >>> import torch
        >>> positive_deviation(torch.zeros(1))
        tensor([0.0191])
    """
    return F.softplus(estimate - 4) + LEAST_NOISE
