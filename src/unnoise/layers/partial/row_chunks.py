"""Working some rows at a time, for the caches and for memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_always: ContextVar[bool] = ContextVar("_always", default=False)


@contextmanager
def as_if_large() -> Iterator[None]:
    """While this lasts, small pictures too are worked out in strips, so that they take as much memory for each pixel as large ones."""
    token = _always.set(True)
    try:
        yield
    finally:
        _always.reset(token)


def is_as_if_large() -> bool:
    """Whether `as_if_large` lasts."""
    return _always.get()


def in_steps(rows: slice, step: int) -> list[slice]:
    """`rows` in pieces of `step`, the last one as it comes."""
    return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)]


def joined(results: list[Tensor]) -> Tensor:
    """Strips, (…, rows, W) each, below each other."""
    return results[0] if len(results) == 1 else torch.cat(results, dim=-2)
