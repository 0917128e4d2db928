"""Memory: how much is free, how much a pass of the network takes, how it is reused, and how a lack of it is
recognized."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import psutil

from unnoise.files.memory import free_bytes

if TYPE_CHECKING:
    import torch

    from unnoise.schemes.base import Scheme

RETAINED_BYTES = 512 * 2**20
"""Freed bytes that the process may keep between tiles, and after `reuse_freed_memory` for the next picture."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of mallopt(3)
_MAX_MMAP_THRESHOLD_BYTES = 32 * 2**20
"""Largest mmap threshold that glibc accepts. Larger blocks always come from the system, unless mmap is switched off."""
LITTLE_FREE_BYTES = 2**31
"""With less than this, an error of a library that has no reason of its own is taken for a lack of memory."""
SCRATCH_FACTOR = 1.4
"""Real memory divided by that of the tensors: scratch memory of libraries and fragmentation; see
docs/results/memory.md."""


def free_memory(device: torch.device | str) -> int:
    """Estimate the free bytes on a device: of the GPU, or of the machine within the limits of its container and its
    process.

    >>> free_memory("cpu") > 0
    True
    """
    if str(device).startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free_bytes()


def resident_bytes() -> int:
    """Bytes of physical memory that the process holds.

    >>> resident_bytes() > 2**20
    True
    """
    return int(psutil.Process().memory_info().rss)


def trim_memory(beyond: int = 0) -> None:
    """Return freed memory to the system if the process holds more than `beyond` bytes.

    glibc keeps freed memory in blocks that tiles of other sizes cannot use. To get it back costs a page fault for each
    4 KB.

    >>> trim_memory()
    """
    if (libc := _glibc()) and resident_bytes() > beyond:
        libc.malloc_trim(0)


@contextmanager
def reuse_freed_memory(*, entirely: bool) -> Iterator[None]:
    """Within this context, the next layer or tile reuses the memory that the one before freed.

    Otherwise glibc returns the memory to the system and asks for it again. The system then maps pages of 4 KB as they
    are touched. On virtual machines this takes longer than the 1×1 convolution that fills the pages. After the context
    the process keeps up to `RETAINED_BYTES` for the next picture. On systems without glibc nothing changes.

    Args:
        entirely: reuse blocks above 32 MB too. An aligned block of glibc seldom fits where another was freed, until its
            neighbours are free as well. So this can take several times the memory.

    >>> with reuse_freed_memory(entirely=False):
    ...     total = sum(range(1000))
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    if entirely:
        libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_MMAP_THRESHOLD, _MAX_MMAP_THRESHOLD_BYTES)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65536)
        libc.mallopt(_TRIM_THRESHOLD, RETAINED_BYTES)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out. On a CPU, PyTorch has no class of its own for this.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    words = (
        "can't start new thread",
        "can't allocate memory",
        "not enough memory",
        "out of memory",
        "bad_alloc",
        "could not create a memory",
    )
    if not isinstance(error, RuntimeError):
        return False
    if "could not create a primitive" in str(error) or "could not execute a primitive" in str(error):
        return free_memory("cpu") < LITTLE_FREE_BYTES  # oneDNN says no more than this
    return any(word in str(error) for word in words)


def pixels_at_work(scheme: Scheme, pixels: int, device: torch.device, *, by_parts: bool, refined: bool) -> float:
    """The number of a tile's pixels that the network works on at one time. In a small picture these are all its pixels.

    Args:
        scheme: restores the tile.
        pixels: number of pixels of the tile.
        device: device of the network.
        by_parts: whether `Scheme.restore_region` restores the tile, as a region of the picture.
        refined: whether R³ follows, which works on the whole tile.

    >>> import torch
    >>> from unnoise.schemes.distillation import Distillation
    >>> pixels_at_work(Distillation(), 1000, torch.device("cpu"), by_parts=False, refined=False)
    1000
    """
    limit = scheme.batch_pixels(device)
    if limit is None:
        return pixels / scheme.sequential_parts if by_parts and not refined else pixels
    least = pixels if refined else pixels / scheme.sequential_parts
    return max(least, min(pixels * scheme.branches, limit)) / scheme.branches
