"""The capability "the blind spot's size is chosen at each call". A network declares it by
`Denoiser.has_tunable_blind_spot`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from torch import Tensor

from unnoise.regions import Region


class TunableNetwork(Protocol):
    """What a network with a tunable blind spot offers beside what every `Denoiser` does."""

    def __call__(self, x: Tensor, blind_spot: int | None = None, *, region: Region | None = None) -> Tensor:
        """The result for one blind spot, or one region of it: (B, C, H, W) → (B, C, rows, columns)."""

    def forward_blind_spots(self, x: Tensor, sizes: Sequence[int], *, region: Region | None = None) -> Tensor:
        """The results for K blind spots, or one region of them: (B, C, H, W) → (K, B, C, rows, columns)."""

    def blind_spot_shift(self, size: int, /) -> int:
        """How many pixels the features move for a blind spot of this size. Raises `UsageError` for a size that it
        cannot take."""


def has_tunable_blind_spot(network: object) -> TypeGuard[TunableNetwork]:
    """Whether a network, or a network's class, declares a tunable blind spot.

    Example:
        >>> from unnoise import denoisers
        >>> has_tunable_blind_spot(denoisers.lookup("atbsn")), has_tunable_blind_spot(denoisers.lookup("dncnn"))
        (True, False)
    """
    return bool(getattr(network, "has_tunable_blind_spot", False))
