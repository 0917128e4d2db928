"""The exponential moving average of a network's weights. It restores better than the last weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MovingAverage:
    """The average of the weights over about the last 1 / (1 − decay) steps. With a `decay` of 0 it is the weights
    themselves.

    In the first steps the decay is (1 + n) / (10 + n) where that is smaller, so that the random start is soon
    forgotten.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> average = MovingAverage(layer, decay=0.9)
    >>> _ = nn.init.ones_(layer.weight)
    >>> average.update(layer, step=0)
    >>> round(average.state_dict()["weight"].item(), 3)
    0.9
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Include the weights after step number `step`, which counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        fresh = network.state_dict()
        averaged = [key for key, value in fresh.items() if value.is_floating_point()]
        # In one call, because a GPU would wait for the start of each of some hundred small operations.
        torch._foreach_lerp_([self.weights[key] for key in averaged], [fresh[key] for key in averaged], 1 - decay)
        for key in fresh.keys() - set(averaged):
            self.weights[key].copy_(fresh[key])

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights."""
        return self.weights

    def load_state_dict(self, weights: dict[str, Tensor]) -> None:
        """Continue from averaged weights. Raises `ValueError` if they belong to another network."""
        if {key: value.shape for key, value in weights.items()} != {key: value.shape for key, value in self.weights.items()}:
            raise ValueError("These are averages of another network's weights.")
        for key, value in weights.items():
            self.weights[key].copy_(value)
