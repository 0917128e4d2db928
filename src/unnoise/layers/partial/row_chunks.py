"""Computing some rows at a time, to fit the caches and to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_forced: ContextVar[bool] = ContextVar("_always", default=False)


@contextmanager
def force_chunking() -> Iterator[None]:
    """Within this context small pictures are computed in strips too, so that each pixel takes as much memory as in a
    large picture.

    >>> with force_chunking():
    ...     is_chunking_forced()
    True
    """
    token = _forced.set(True)
    try:
        yield
    finally:
        _forced.reset(token)


def is_chunking_forced() -> bool:
    """Whether `force_chunking` is active.

    >>> is_chunking_forced()
    False
    """
    return _forced.get()


def split_rows(rows: slice, step: int) -> list[slice]:
    """Split an interval of rows into pieces of `step` rows; the last one may be shorter.

    Example:
        >>> split_rows(slice(0, 5), 2)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)]


def concatenate_rows(results: list[Tensor]) -> Tensor:
    """Concatenate strips of rows, (…, rows, W) each.

    Example:
        >>> concatenate_rows([torch.zeros(1, 2, 3), torch.zeros(1, 1, 3)]).shape
        torch.Size([1, 3, 3])
    """
    return results[0] if len(results) == 1 else torch.cat(results, dim=-2)
