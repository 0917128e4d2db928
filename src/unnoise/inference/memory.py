"""How much memory is free, how much a pass takes, and whether an error means that there was not enough."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

if TYPE_CHECKING:
    from unnoise.schemes.base import Scheme

RETAINED = 512 * 2**20
"""Freed bytes that may stay with the process: after `reused` for the next picture, and about as many from tile to tile."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of mallopt(3)
_LARGEST = 32 * 2**20
"""glibc puts no larger pieces where others were freed, unless it is kept from asking the system at all."""
CGROUP = Path("/sys/fs/cgroup")
SCRATCH = 1.4
"""What libraries take for their own scratch and what the allocator cannot use again, as a factor; see docs/results/memory.md."""


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on the device, as far as can be told: of a GPU, or of the machine and the container around us."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(0, min([int(psutil.virtual_memory().available), *_container_limits(), *_process_limits()]))


def _container_limits() -> list[int]:
    """What the limits of our control groups leave, of both versions; page cache that can be dropped counts as free."""
    limits = []
    for limit, used, droppable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (CGROUP / limit).read_text().strip()
            taken = int((CGROUP / used).read_text())
            statistics = (CGROUP / limit).with_name("memory.stat").read_text().split()
        except (OSError, ValueError):
            continue
        if most != "max":
            cache = dict(zip(statistics[::2], statistics[1::2], strict=False))
            limits.append(int(most) - taken + int(cache.get(droppable, 0)))
    return limits


def _process_limits() -> list[int]:
    """What `ulimit -v` leaves, where it is set."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if most == resource.RLIM_INFINITY else [most - psutil.Process().memory_info().vms]


def resident() -> int:
    """Bytes of memory that the process holds."""
    return int(psutil.Process().memory_info().rss)


def give_back(beyond: int = 0) -> None:
    """Hand freed memory back to the system if the process holds more than `beyond` bytes: glibc keeps it, in pieces that tiles of other
    sizes cannot use. To have it again costs a page fault for each 4 KB."""
    if (libc := _glibc()) and resident() > beyond:
        libc.malloc_trim(0)


@contextmanager
def reused(*, entirely: bool) -> Iterator[None]:
    """While this lasts, memory that one layer or tile frees is there for the next one.

    Else glibc asks the system anew for what it has just given back, which hands it out in pages of 4 KB as they are touched: on
    virtual machines that takes longer than a convolution of 1×1 that fills them. Afterwards all is as it was, but that up to `RETAINED`
    bytes stay with the process for the next picture.

    Args:
        entirely: pieces above 32 MB too. glibc's aligned pieces seldom fit where one was freed before neighbours have been freed as well:
            up to some times the memory is taken.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    if entirely:
        libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65536)
        libc.mallopt(_TRIM_THRESHOLD, RETAINED)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory ran out; PyTorch has no class of its own for that on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "could not create a memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the tensors that are made and freed within it.

    Attributes:
        bytes: the most that they held at one time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self._live = 0
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it, torch would first import its compiler: a second and more of the first picture's time

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tree_map_only(Tensor, lambda tensor: self._see(tensor, made_here=False), (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, lambda tensor: self._see(tensor, made_here=True), result)
        return result

    def _see(self, tensor: Tensor, *, made_here: bool) -> None:
        if tensor.layout == torch._mkldnn:  # type: ignore[attr-defined] # weights in the library's own order, which shows nobody its memory
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes() if made_here else 0
        self._live += size
        self.bytes = max(self.bytes, self._live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def peak_bytes(run: Callable[[], Any]) -> int:
    """The most bytes that the tensors made by `run` hold at one time, on any device; not the scratch of libraries."""
    with _Peak() as peak:
        run()
    return peak.bytes


def pixels_at_work(scheme: Scheme, pixels: int, device: torch.device, *, by_parts: bool, refined: bool) -> float:
    """How many of a tile's pixels the network works on at one time, where of a small picture it works on all.

    Args:
        scheme: by which the tile is restored.
        pixels: of the tile.
        device: of the network.
        by_parts: whether the tile is a part of the picture that `Scheme.restore_region` restores.
        refined: whether R³ follows, which works on the whole tile.
    """
    limit = scheme.batch_pixels(device)
    if limit is None:
        return pixels / scheme.sequential_parts if by_parts and not refined else pixels
    least = pixels if refined else pixels / scheme.sequential_parts
    return max(least, min(pixels * scheme.branches, limit)) / scheme.branches
