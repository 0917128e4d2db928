"""What tiles and bands need of that which restores regions: `Chain` runs networks by torch, `OnnxChain` without it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from unnoise.inference.settings import InferenceSettings
from unnoise.regions import Region, RegionSource


class RegionRestorer(Protocol):
    """Restores regions of pictures, and says what that takes."""

    @property
    def settings(self) -> InferenceSettings: ...

    @property
    def channels(self) -> int:
        """Number of channels that the network takes."""
        ...

    @property
    def device(self) -> Any:
        """The device of the results; its text begins with its kind, as 'cuda:1'."""
        ...

    @property
    def step(self) -> int:
        """Alignment of tiles in pixels."""
        ...

    @property
    def size_multiple(self) -> int:
        """Sides of a picture are extended to multiples of this."""
        ...

    @property
    def is_finite(self) -> bool:
        """Whether tiles agree with the whole picture."""
        ...

    @property
    def halo(self) -> int:
        """How many pixels around a region are read for it."""
        ...

    @property
    def halo_relative_cost(self) -> float:
        """The work for a pixel of the halo, relative to that for a pixel of the region."""
        ...

    def restore(self, view: RegionSource, part: Region) -> Any:
        """Restore a region of a picture (1, C, H, W) in 0..1: (1, C, rows, columns), not clipped."""
        ...

    def bytes_for(self, wanted: int, read: int, *, whole: bool) -> float:
        """Estimate the bytes that restoring takes; see `Chain.bytes_for`."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """Within this context regions are restored."""
        ...

    def in_one_band(self) -> AbstractContextManager[None]:
        """Within this context one row of tiles is restored."""
        ...

    def release_memory(self) -> None:
        """Give back memory that is kept for the next region."""
        ...
