"""What a scheme is: how a network learns from noisy images alone, and how it is then applied. Schemes do no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

Network = Callable[[Tensor], Tensor]
"""(B, C, H, W) → (B, C, H, W), in the network's own value range."""


class Scheme(BaseModel, ABC):
    """The parameters of a scheme, as they stand in a recipe, and the two things it does with a network.

    All tensors are (B, C, H, W) in the network's value range. A scheme asks nothing of a network but to be called.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    replacement: ClassVar[Literal["value", "pixel"]] = "value"
    """Whether R³ draws for each value by itself or for all channels of a pixel together."""

    @property
    def phase(self) -> int:
        """Tiles must begin at multiples of this, or the scheme would cut them differently from the whole picture."""
        return 1

    def reach(self, network_reach: int) -> int:
        """How many pixels away `restore` can see, given how far the network sees."""
        return network_reach

    @abstractmethod
    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training loss of one batch, a scalar. Random choices come from `generator` alone, so that a step can be repeated."""

    @abstractmethod
    def restore(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The restored images, of the same shape as `noisy`, for any H, W ≥ 1."""

    @abstractmethod
    def refine(self, network: Network, mixed: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One pass at full resolution, without down-sampling, of the kind that R³ repeats."""
