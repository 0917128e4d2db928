"""Learning a prior of each pixel by the likelihood of the noisy one, which the prior's network does not see.

Laine et al., "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019, and Wu et al., "Unpaired Learning of Deep
Image Denoising", ECCV 2020 (D-BSN). Both are for noise that is independent from pixel to pixel. With strides the
components of PD are pictures of their own, for noise of cameras; no paper has that.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field, PrivateAttr
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.posterior_denoiser import PosteriorDenoiser
from unnoise.errors import UsageError
from unnoise.layers.gaussian_posterior import GaussianPrior, negative_log_likelihood
from unnoise.layers.polyphase import split_batch
from unnoise.schemes.base import Network
from unnoise.schemes.pd_components import BatchedComponents, Stride


class PosteriorMean(BatchedComponents):
    """Maximum likelihood of the noisy pixels. It restores by the mean of the posterior.

    Example:
        >>> network = denoisers.create("laine19", width=4)
        >>> PosteriorMean().loss(network, torch.rand(1, 3, 32, 32)).shape
        torch.Size([])
    """

    requires_blind_network = False
    infer_stride: Stride = 1
    changes_over_run: ClassVar[bool] = True
    name: Literal["posterior-mean"] = "posterior-mean"
    train_stride: Stride = 1
    """Stride of PD in training; every component counts."""
    balance: Annotated[float, Field(ge=0)] = 0.1
    """How much a larger noise is rewarded. Without it, what the network cannot predict may count as structure (0.1 in
    Laine et al., 0 in D-BSN)."""
    mean_first: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of the run in which the prior's mean alone learns, by its squared error (D-BSN begins so). The
    covariances have no gradient in it."""

    _share: float = PrivateAttr(1.0)

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, PosteriorDenoiser):
            known = denoisers.names_of(PosteriorDenoiser)
            raise UsageError(
                f"The scheme needs a network that tells a mean and a covariance, which {denoiser.__name__} does not; take "
                f"one of the denoisers {', '.join(known)}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean of the negative log likelihood, less `balance` times the noise's mean standard deviation; at first the
        mean's squared error alone, as `mean_first` says."""
        parts = split_batch(noisy, self.train_stride).contiguous(memory_format=torch.channels_last)
        prior = cast(GaussianPrior, cast(PosteriorDenoiser, network)(parts, only_prior=True))
        if self._share < self.mean_first:
            return F.mse_loss(prior.mean, parts)
        return negative_log_likelihood(prior, parts).mean() - self.balance * prior.noise.mean()
