"""The faults: what happens to a command at a random moment, or all the time."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from children import Reference, Row, start, wait
from ray_scenario import kill_of_a_worker
from scenario import Scenario

SAID_BYTES = 1500
"""What a command says goes to a file too, which must not be the one that is too long."""
WORKER_SAYS = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGKILL}
"""Ends of the process for which `unnoise.cli.worker`, which is not part of the trials, has a sentence."""


def _moment(reference: Reference, rng: random.Random) -> None:
    time.sleep(rng.random() * 1.1 * reference.seconds)


def _moment_of(scenario: Scenario, place: Path, reference: Reference, rng: random.Random) -> None:
    """A random moment; for three of four trials of a command that is slow to begin, one in which it is at work."""
    if scenario.moment and rng.randrange(4):
        scenario.moment(place, rng)
    else:
        _moment(reference, rng)


def kill(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """SIGKILL at a random moment."""
    child = start(scenario.command(place), place)
    _moment_of(scenario, place, reference, rng)
    os.kill(child, signal.SIGKILL)
    status, said = wait(child, place)
    row.struck += status == -signal.SIGKILL
    return said


def stop(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """SIGTERM at a random moment, as at shutdown."""
    child = start(scenario.command(place), place)
    _moment(reference, rng)
    os.kill(child, signal.SIGTERM)
    status, said = wait(child, place)
    row.struck += status != 0
    return said


def no_room(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """No file can grow beyond a random size. Libraries see the error of a full disk."""
    most = rng.randrange(SAID_BYTES, max(SAID_BYTES + 1, *map(len, reference.results.values())))
    child = start(scenario.command(place), place, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    status, said = wait(child, place)
    row.struck += status != 0
    _expect_sentence(status, said, row)
    return said


def read_only(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """Nothing can be written into the folder of results."""
    (place / "out").chmod(0o555)
    inner = [path for path in (place / "out").rglob("*") if path.is_dir()]
    for path in inner:
        path.chmod(0o555)
    try:
        status, said = wait(start(scenario.command(place), place, _obey_permissions), place)
    finally:
        for path in [place / "out", *inner]:
            path.chmod(0o755)
    row.struck += status != 0
    _expect_sentence(status, said, row)
    return said


def _obey_permissions() -> None:
    """Give up root's right to write where nobody may (capset(2); Linux). Others have no such right."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    version, every, to_write = 0x20080522, 0xFFFFFFFF, 0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    header = (ctypes.c_uint32 * 2)(version, 0)
    kept = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, kept):
        raise OSError(ctypes.get_errno(), "capget")
    for number in (0, 1, 2):  # effective, permitted, inheritable
        kept[number] &= every ^ to_write
    if libc.capset(header, kept):
        raise OSError(ctypes.get_errno(), "capset")


def no_memory(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """The process gets a random amount of memory beyond what its libraries take."""
    more = int(2 ** rng.uniform(20, 28))

    def limit() -> None:
        most = psutil.Process().memory_info().vms + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    status, said = wait(start(scenario.command(place), place, limit), place)
    row.struck += status != 0
    if status not in WORKER_SAYS:
        _expect_sentence(status, said, row)
    return said


def _expect_sentence(status: int, said: str, row: Row) -> None:
    """A command that fails ends with 1 or 2, and says why."""
    if status not in (0, 1, 2) or (status and "unnoise: " not in said):
        row.counts["no_sentence"] += 1
        print(f"{row.scenario}, {row.fault}: status {status}, {said[-600:]}", file=sys.stderr)


def vanishing(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """An input is removed at a random moment."""
    return _spoilt(scenario, place, reference, rng, row, lambda file: file.unlink())


def shrinking(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """An input is cut short at a random moment, in place."""
    return _spoilt(scenario, place, reference, rng, row, lambda file: os.truncate(file, rng.randrange(file.stat().st_size)))


def _spoilt(
    scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row, spoil: Callable[[Path], None]
) -> str:
    child = start(scenario.command(place), place)
    _moment(reference, rng)
    spoil(rng.choice(sorted(file for file in (place / "in").rglob("*") if file.is_file())))
    status, said = wait(child, place)
    row.struck += status != 0
    _expect_sentence(status, said, row)
    return said


def two_runs(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """A second run on the same folder, from a random moment on. It works, or is told that the folder is in use."""
    first = start(scenario.command(place), place)
    _moment(reference, rng)
    status, other = wait(start(scenario.command(place, again=True), place, tag="2"), place, "2")
    told = "writes into" in other or "is there already" in other or "already holds a run" in other or "no checkpoint" in other
    row.struck += status != 0
    row.counts["no_sentence"] += status != 0 and not told
    return wait(first, place)[1] + other


def clock_backwards(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """The clock goes backwards by a second at each look, and results get times of long ago."""

    def turn_back() -> None:
        seconds = iter(range(2**31, 0, -1))
        time.time = lambda: float(next(seconds))
        time.time_ns = lambda: next(seconds) * 10**9

    row.struck += 1
    return wait(start(scenario.command(place), place, turn_back), place)[1]


FAULTS: dict[str, Callable[[Scenario, Path, Reference, random.Random, Row], str]] = {
    "kill": kill,
    "kill of a worker": kill_of_a_worker,
    "stop": stop,
    "no room": no_room,
    "read-only": read_only,
    "no memory": no_memory,
    "input vanishes": vanishing,
    "input shrinks": shrinking,
    "two runs": two_runs,
    "clock goes backwards": clock_backwards,
}
