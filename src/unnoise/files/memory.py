"""Free memory of this process, and the check that what a file needs is there before a library takes it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import psutil

from unnoise.errors import UnnoiseError

CGROUP_FOLDER = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
_sharers = 1
"""Processes that share the machine's memory."""
LEAST_BYTES = 2**26
"""So little is not looked for: the look itself takes a millisecond."""


def free_bytes() -> int:
    """Estimate the free bytes of the machine, within the limits of its container and its process.

    >>> free_bytes() > 0
    True
    """
    shared = min([int(psutil.virtual_memory().available), *_container_limits()])
    return max(0, min([shared // _sharers, *_process_limits()]))


def share_memory(processes: int) -> None:
    """Let this process count only its share of the free memory, as so many of them work side by side.

    >>> share_memory(1)
    """
    global _sharers
    _sharers = processes


def check_memory(needed: int, name: str, remedy: str) -> None:
    """Check that memory is there before a library takes it.

    Args:
        needed: bytes.
        name: what needs them: the subject of the sentence.
        remedy: what helps, beside closing other programs.

    Raises:
        UnnoiseError: less is free. The sentence tells how much is missing.

    >>> check_memory(10**15, "a.avif", "save it as a TIFF")
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: a.avif needs about 931,322.6 GiB of memory, and ... are missing; close other programs, ...
    """
    missing = needed - free_bytes() if needed >= LEAST_BYTES else 0
    if missing > 0:
        raise UnnoiseError(
            f"{name} needs about {_gib(needed)} of memory, and {_gib(missing)} are missing; close other programs, or {remedy}."
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:,.1f} MiB"


def _container_limits() -> list[int]:
    """Free bytes within the limits of our control groups, versions 1 and 2. Page cache that can be dropped counts as
    free."""
    limits = []
    for version, group in _control_groups():
        top, limit, used, droppable = (
            (CGROUP_FOLDER, "memory.max", "memory.current", "inactive_file")
            if version == 2
            else (CGROUP_FOLDER / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        for folder in (top / group, *(top / parent for parent in group.parents)):  # the limit of each parent holds too
            try:
                most = (folder / limit).read_text().strip()
                taken = int((folder / used).read_text())
                statistics = (folder / "memory.stat").read_text().split()
                if most != "max":
                    cache = dict(zip(statistics[::2], statistics[1::2], strict=False))
                    limits.append(int(most) - taken + int(cache.get(droppable, 0)))
            except (OSError, ValueError):
                continue
    return limits


def _control_groups() -> list[tuple[int, PurePosixPath]]:
    """Version and path of our control groups for memory, below the folder of all. A container sees its own as the top."""
    found = [(2, PurePosixPath()), (1, PurePosixPath())]
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = PurePosixPath(path.lstrip("/"))
        if number == "0" and not controllers:
            found[0] = 2, inside
        elif "memory" in controllers.split(","):
            found[1] = 1, inside
    return found


def _process_limits() -> list[int]:
    """Free bytes within the limits of address space (`ulimit -v`) and of data (`ulimit -d`), if they are set."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    taken = psutil.Process().memory_info()
    limits = (resource.RLIMIT_AS, taken.vms), (resource.RLIMIT_DATA, getattr(taken, "data", 0))
    return [most - used for kind, used in limits if (most := resource.getrlimit(kind)[0]) != resource.RLIM_INFINITY]
