"""The heap in training: what a step frees is kept for the next one, which asks for the same pieces again."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_MIB = 2**20


@contextmanager
def memory_kept() -> Iterator[None]:
    """While this lasts, freed memory stays with the process; on Linux with glibc, elsewhere nothing changes.

    glibc hands large pieces back as they are freed, and the system fills them with zeros at the next step: an eighth of AT-BSN's step
    on a CPU.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        # What glibc arrives at by itself in a process with large pieces; there is no way back to letting it choose.
        libc.mallopt(_MMAP_MAX, 65536)
        libc.mallopt(_MMAP_THRESHOLD, 32 * _MIB)
        libc.mallopt(_TRIM_THRESHOLD, 64 * _MIB)
        libc.malloc_trim(0)
