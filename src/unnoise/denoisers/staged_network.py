"""The capability "does its own PD, in another way for each stage". A network declares it by `Denoiser.has_stages`."""

from __future__ import annotations

from typing import Literal, Protocol, TypeGuard

from torch import Tensor

Stage = Literal["train", "restore", "refine"]
"""*train*: with a large stride, where a loss compares with the noisy picture. *restore*: the first estimate, with a small
stride. *refine*: a pass of R³."""


class StagedNetwork(Protocol):
    """What a network with stages offers beside what every `Denoiser` does."""

    def __call__(self, x: Tensor, stage: Stage = "restore") -> Tensor:
        """The result of one stage: (B, C, H, W) → (B, C, H, W)."""


def has_stages(network: object) -> TypeGuard[StagedNetwork]:
    """Whether a network, or a network's class, does its own PD.

    Example:
        >>> from unnoise import denoisers
        >>> has_stages(denoisers.lookup("puca")), has_stages(denoisers.lookup("dbsn"))
        (True, False)
    """
    return bool(getattr(network, "has_stages", False))
