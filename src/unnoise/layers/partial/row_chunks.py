"""Working some rows at a time, for the caches and for memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_forced: ContextVar[bool] = ContextVar("_always", default=False)


@contextmanager
def force_chunking() -> Iterator[None]:
    """While this lasts, small pictures too are worked out in strips, so that they take as much memory for each pixel as large ones."""
    token = _forced.set(True)
    try:
        yield
    finally:
        _forced.reset(token)


def is_chunking_forced() -> bool:
    """Whether `force_chunking` lasts."""
    return _forced.get()


def split_rows(rows: slice, step: int) -> list[slice]:
    """`rows` in pieces of `step`, the last one as it comes."""
    return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)]


def concatenate_rows(results: list[Tensor]) -> Tensor:
    """Strips, (…, rows, W) each, below each other."""
    return results[0] if len(results) == 1 else torch.cat(results, dim=-2)
