"""What schemes share that hide random values of one picture, and restore it by the mean of many such passes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from unnoise.rng import RandomSource, uniform
from unnoise.schemes.base import Network, Scheme
from unnoise.schemes.multi_mask import generator_or_default


class MaskedAverage(Scheme):
    """Hides each value by itself with a given probability. Subclasses say what stands there, and how the network learns.

    >>> from unnoise.schemes.mash import MASH
    >>> MASH(visible=0.9, predictions=2).is_random
    True
    """

    is_local: ClassVar[bool] = True
    visible: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability of each value to be visible."""
    predictions: Annotated[int, Field(ge=1, le=1000)] = 10
    """Passes that a restored picture is the mean of."""

    @property
    def is_random(self) -> bool:
        """Always: the masks are drawn."""
        return True

    def mask(self, noisy: Tensor, generator: RandomSource) -> Tensor:
        """1 where visible, of the picture's shape and type."""
        return (uniform(noisy.shape, generator, noisy.device) < self.visible).to(noisy.dtype)

    @abstractmethod
    def predict(self, network: Network, noisy: Tensor, generator: RandomSource) -> Tensor:
        """One pass with its own mask, (B, C, H, W) → the same shape."""

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The mean of `predictions` passes. Without a generator the masks are drawn from seed 0."""
        draws = generator_or_default(generator)
        total = torch.zeros_like(noisy)
        for _ in range(self.predictions):
            total += self.predict(network, noisy, draws)
        return total / self.predictions

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The same as `restore`; the papers use no R³."""
        return self.restore(network, mixed, generator)
