"""How many processes denoise pictures side by side."""

from __future__ import annotations

import os
from pathlib import Path

from unnoise.errors import UsageError
from unnoise.files.memory import free_bytes

PICTURES_PER_WORKER = 4
"""With fewer pictures than this, starting another process takes longer than it saves."""
WORKER_BYTES = 3 * 2**30
"""Memory that a worker may take with pictures of 24 megapixels. Fewer workers are started where there is less."""


def choose_worker_count(asked: int | None, pictures: int, device_type: str) -> int:
    """The number of processes for this many pictures.

    Args:
        asked: what `--workers` says; None: one for each core, as far as pictures and memory go. On a GPU, whose
            pictures follow each other, it is one.
        pictures: how many there are to do.
        device_type: of the network, such as 'cpu' or 'cuda'.

    Raises:
        UsageError: the number is below 1.

    >>> choose_worker_count(None, 1, "cpu"), choose_worker_count(8, 3, "cpu")
    (1, 3)
    """
    if asked is not None:
        if asked < 1:
            raise UsageError(f"--workers takes a number of processes from 1 on, not {asked}.")
        return min(asked, max(pictures, 1))
    if device_type != "cpu":
        return 1
    by_memory = free_bytes() // WORKER_BYTES
    return max(1, min(core_count(), pictures // PICTURES_PER_WORKER, by_memory))


def device_type(engine: str, device: str | None) -> str:
    """Where a network runs: 'cpu', 'cuda' …. Engines without torch run on the CPU.

    >>> device_type("onnx", None)
    'cpu'
    """
    if engine != "torch":
        return "cpu"
    from unnoise.inference.precision import choose_device

    return choose_device(device).type


def core_count() -> int:
    """The cores that this process may use: fewer than the machine has in a container, or where it is pinned to some.

    >>> core_count() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _container_limit() or cores))


def _container_limit(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """Whole cores of the container's share of time; None: it has no limit."""
    try:
        most, period = file.read_text().split()
        return None if most == "max" else max(1, int(most) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
