"""Schemes that restore a picture by one call of the network and no more. Their networks need not be blind."""

from __future__ import annotations

from torch import Tensor

from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, Scheme, run_region


class SinglePass(Scheme):
    """A scheme whose subclasses say how the network learns. `restore` and `refine` are one call each.

    All tensors are (B, C, H, W) in the network's value range.

    Example:
        >>> import torch
        >>> from unnoise.schemes.recorrupted import Recorrupted
        >>> isinstance(Recorrupted(), SinglePass), Recorrupted().restore(lambda x: 2 * x, torch.ones(1, 1, 1, 2)).tolist()
        (True, [[[[2.0, 2.0]]]])
    """

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return network(noisy)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return run_region(network, noisy, region)

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The same call. The papers use no R³ with networks that are not blind, which have little to gain from it."""
        return network(mixed)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return run_region(network, mixed, region)
