"""What tiles and bands need of that which restores regions: `Chain` runs networks by torch, `OnnxChain` without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
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


Spread = Callable[[RegionRestorer], RegionRestorer]
_spread: ContextVar[Spread | None] = ContextVar("spread", default=None)


@contextmanager
def spreading(spread: Spread) -> Iterator[None]:
    """Within this context, the regions of pictures are restored by what `spread` makes of a chain, as by other processes.

    >>> with spreading(lambda chain: "elsewhere"):
    ...     spread("here")
    'elsewhere'
    """
    token = _spread.set(spread)
    try:
        yield
    finally:
        _spread.reset(token)


def spread(chain: Any) -> Any:
    """The chain, or what the context makes of it.

    >>> spread("here")
    'here'
    """
    wrap = _spread.get()
    return wrap(chain) if wrap else chain


def restore_several(chain: RegionRestorer, wanted: Sequence[tuple[RegionSource, Region]]) -> Iterator[Any]:
    """Restore regions in their order: by the chain's own `restore_several`, if it has one, else one after the other.

    >>> from types import SimpleNamespace
    >>> list(restore_several(SimpleNamespace(restore=lambda view, part: view * part), [(2, 3), (4, 5)]))
    [6, 20]
    """
    own: Callable[..., Iterator[Any]] | None = getattr(chain, "restore_several", None)
    if own:
        yield from own(wanted)
        return
    for view, part in wanted:
        yield chain.restore(view, part)
