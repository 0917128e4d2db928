"""Collecting the warnings of one thread. `warnings.catch_warnings` would take those of all threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unnoise.errors import UnnoiseWarning

_here = threading.local()
_before: Any = None


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Within this context, the sentences of our warnings in this thread go to a list.

    >>> with collected_warnings() as sentences:
    ...     warnings.warn("The picture has eleven values.", UnnoiseWarning)
    >>> sentences
    ['The picture has eleven values.']
    """
    _install()
    _here.sentences = []
    try:
        yield _here.sentences
    finally:
        _here.sentences = None


def _install() -> None:
    global _before
    if warnings.showwarning is not _show:
        _before = warnings.showwarning
        warnings.showwarning = _show
        warnings.simplefilter("always", UnnoiseWarning)  # each picture has its own


def _show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
    sentences = getattr(_here, "sentences", None)
    if sentences is not None and issubclass(category, UnnoiseWarning):
        sentences.append(str(message))
    else:
        _before(message, category, *rest, **named)
