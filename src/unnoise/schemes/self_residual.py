"""After I2V: what a blind network leaves of a picture's components is the noise that an extractor learns to tell.

Lee, Lee and Jeong, "I2V: Towards Texture-Aware Self-Supervised Blind Denoising using Self-Residual Learning for Real-World
Images", arXiv 2302.10523, 2023. The abstract names self-residual learning without PD, an order-variant PD constraint, a
noise prior loss and progressive random-replacing refinement. Their equations and weights could not be found: those here
are ours. The extractor sees the picture as it is. So a result has the texture that PD's components lose to aliasing.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.i2v import I2V, Told
from unnoise.errors import UsageError
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.regions import Region
from unnoise.rng import RandomSource, uniform
from unnoise.schemes.base import Network, Scheme, run_region
from unnoise.schemes.multi_mask import generator_or_default
from unnoise.schemes.random_subsamples import deal, random_order

Weight = Annotated[float, Field(ge=0)]


class SelfResidual(Scheme):
    """A blind network learns from components, an extractor from what that leaves, both at once.

    Example:
        >>> SelfResidual(rounds=0).restore(lambda x: 2 * x, torch.ones(1, 3, 5, 7)).unique().tolist()
        [2.0]
    """

    name: Literal["self-residual"] = "self-residual"
    train_stride: Annotated[int, Field(ge=2, le=16)] = 5
    """Stride of PD in training, as AP-BSN's."""
    residual: Weight = 1.0
    """Weight of the self-residual term: the extractor's error."""
    order: Weight = 0.1
    """Weight of the order-variant constraint."""
    prior: Weight = 0.1
    """Weight of the noise's mean, which should be zero."""
    subsamples: Annotated[int, Field(ge=1)] = 5
    """How many of the components in drawn order a step looks at, at most train_stride²."""
    rounds: Annotated[int, Field(ge=0, le=64)] = 3
    """Rounds of PR³; 0: the first estimate is the result."""
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.16
    """Probability that a value becomes the noisy one in a round, as R³'s."""

    @property
    def is_random(self) -> bool:
        """PR³ draws which values it replaces."""
        return self.rounds > 0

    def restore_radius(self, network_radius: int) -> int:
        """The first estimate and each round look one radius farther."""
        return network_radius * (1 + self.rounds)

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, I2V):
            known = ", ".join(denoisers.names_of(I2V))
            raise UsageError(
                f"The scheme needs a blind network with an extractor of noise, which {denoiser.__name__} is not; "
                f"take the denoiser {known}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Four terms, with the blind network f, the extractor h, PD's components c = PD(x) and D, which deals out the
        pixels of each cell in a drawn order:

        mean |f(c) − c| + residual · mean |h(x) − (x − PD⁻¹(f(c)))| + order · mean |f(D(x)) − D(x − h(x))|
        + prior · mean |mean of h(x) over a channel|

        The second term teaches h alone. Rows and columns beyond the last whole cell are left out.
        """
        stride = self.train_stride
        height, width = (length // stride * stride for length in noisy.shape[-2:])
        noisy = noisy[..., :height, :width].contiguous()
        order = random_order(noisy, stride, generator)
        count = min(self.subsamples, stride**2)
        plain, drawn = split_batch(noisy, stride), deal(noisy, stride, order)[:count].flatten(0, 1)
        seen = torch.cat([plain, drawn]).contiguous(memory_format=torch.channels_last)
        told = cast(Told, cast(I2V, network)(noisy, seen))
        in_place, in_order = torch.split(told.blind, [len(plain), len(drawn)])
        left = noisy - merge_batch(in_place, stride).detach()
        dealt = deal(noisy - told.noise, stride, order)[:count].flatten(0, 1)
        mean = told.noise.float().mean((2, 3)).abs().mean()
        return (
            F.l1_loss(in_place, plain)
            + self.residual * F.l1_loss(told.noise, left)
            + self.order * F.l1_loss(in_order, dealt)
            + self.prior * mean
        )

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The picture without its extracted noise, then PR³: each round puts noisy values into the estimate, restores
        that, and takes it into the mean that is the next estimate."""
        draws = generator_or_default(generator)
        estimate = network(noisy)
        for number in range(1, self.rounds + 1):
            replaced = uniform(noisy.shape, draws, noisy.device) < self.probability
            again = network(torch.where(replaced, noisy, estimate))
            estimate = estimate + (again - estimate) / (number + 1)
        return estimate

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        if not self.rounds:
            return run_region(network, noisy, region)
        return super().restore_cropped(network, noisy, region, generator)

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """One pass, without PD."""
        return network(mixed)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return run_region(network, mixed, region)
