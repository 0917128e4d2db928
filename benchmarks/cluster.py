"""Many small pictures through a Ray cluster of two nodes on this machine, while its processes are killed at random.

    python benchmarks/cluster.py DATA --count 10000 --kills 30
    python benchmarks/cluster.py DATA --count 400 --throughput

DATA is a folder of pictures, of which small crops are made. The driver is the command `unnoise denoise … --engine ray`. Workers, the
second node and the driver are killed (SIGKILL) after random numbers of results. Then the command
runs to its end. The account in Parquet is compared with the sink: each picture once, whole, and by its checksum.
`--throughput` compares two workers with two single processes at the same time, pinned to one core each: pictures a second, and
processor time.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ray_cluster import cluster
from rows import Row, keep, tell
from unnoise import images
from unnoise.batch.cluster.account import WRITTEN, Account
from unnoise.batch.cluster.storage import Storage

SRC = Path(__file__).parents[1] / "src"
COMMAND = [sys.executable, "-c", "from unnoise.cli import main; main()", "denoise"]
LOOK_SECONDS = 1.0
MOST_FAILURES = 5
"""So often the driver may end by itself with a failure, as after the third kill within one picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--every", type=float, default=500, help="results between two kills, in the mean")
    parser.add_argument("--side", type=int, default=64, help="of the pictures, in pixels")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep pictures and results here, and go on with what is there")
    parser.add_argument("--throughput", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        noisy = folder / "noisy"
        if not noisy.exists():
            make(options.data, noisy, options.count, options.side)
        measure = throughput if options.throughput else chaos
        row = measure(noisy, folder, options)
    tell(row, head=True)
    keep([row], options.out)


def make(data: Path, noisy: Path, count: int, side_pixels: int) -> None:
    """So many crops, in folders of 1,000."""
    found = images.find_pictures([data], recursive=True)[:50]
    draw = np.random.default_rng(0)
    pictures = [images.read(path).pixels for path in found]
    for number in range(count):
        pixels = pictures[number % len(pictures)]
        top, left = (int(draw.integers(length - side_pixels)) for length in pixels.shape[:2])
        file = noisy / f"{number // 1000:03d}" / f"{number:06d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        images.write(file, images.Picture(pixels[top : top + side_pixels, left : left + side_pixels].copy()))


def driver(noisy: Path, out: Path, model: str, address: str, *more: str) -> subprocess.Popen[bytes]:
    """The command, which hands pictures out."""
    command = [*COMMAND, str(noisy), "-o", str(out), "-r", "--model", model, "--engine", "ray", "--address", address, *more]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(SRC), "UNNOISE_WORKER": "off", "OMP_NUM_THREADS": "1"})


def chaos(noisy: Path, folder: Path, options: argparse.Namespace) -> Row:
    """Kill, begin again, and compare the account with the sink."""
    chance = random.Random(options.seed)
    kills: Counter[str] = Counter()
    out = folder / "clean"
    drivers: list[int] = []  # the largest memory of each, in bytes
    began = time.monotonic()
    with cluster(1, 1) as nodes, ExitStack() as ends:
        running = None
        due = chance.expovariate(1 / options.every)
        while running is None or running.poll() != 0:
            if running is None or running.poll() is not None:
                if len(drivers) > kills["driver"] + MOST_FAILURES:
                    raise SystemExit(f"The driver ended with {running and running.returncode} once more; see above.")
                running = driver(noisy, out, options.model, nodes.address)
                ends.callback(running.kill)
                drivers.append(0)
            drivers[-1] = max(drivers[-1], _resident(running.pid))
            if sum(kills.values()) < options.kills and (there := count(out)) > due:
                kind = chance.choices(["worker", "node", "driver"], [6, 1, 2])[0]
                if kill(kind, chance, nodes, running):
                    kills[kind] += 1
                    print(f"{time.monotonic() - began:.0f} s: killed a {kind}; {there} results", flush=True)
                    due = there + chance.expovariate(1 / options.every)
            time.sleep(LOOK_SECONDS)
    return {
        "pictures": options.count,
        **compare(noisy, out),
        "drivers": len(drivers),
        "driver MB": max(drivers) / 2**20,
        "seconds": time.monotonic() - began,
    } | {f"killed {kind}s": kills[kind] for kind in ("worker", "node", "driver")}


def kill(kind: str, chance: random.Random, nodes: Any, running: subprocess.Popen[bytes]) -> bool:
    """Kill a process of this kind, if there is one. A node is killed with all its workers, and another one joins."""
    if kind == "driver":
        running.kill()
        running.wait()
        return True
    if kind == "node":
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        nodes.add(1)
        return True
    workers = [each for each in psutil.Process().children(recursive=True) if _is_worker(each)]
    if not workers:
        return False
    chance.choice(workers).send_signal(signal.SIGKILL)
    return True


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("_Worker" in word for word in process.cmdline())
    except psutil.Error:
        return False


def count(out: Path) -> int:
    """Results that are there."""
    return len(list(out.rglob("*.png")))


def compare(noisy: Path, out: Path) -> Row:
    """How the account and the sink differ."""
    sink = Storage(out)
    account = Account(sink)
    rows = [row for folder in account.folders() for row in account.rows(folder).values()]
    written = {row["result"]: row["result_checksum"] for row in rows if row["outcome"] == WRITTEN}
    there = {file.relative_to(out).as_posix(): sink.checksum(file.relative_to(out).as_posix()) for file in out.rglob("*.png")}
    wanted = {file.relative_to(noisy).as_posix() for file in noisy.rglob("*.png")}
    return {
        "results": len(there),
        "missing": len(wanted - there.keys()),
        "not accounted": len(there.keys() - written.keys()),
        "other checksum": sum(there.get(name) != checksum for name, checksum in written.items()),
        "half written": len([file for file in out.rglob(".*.png*") if file.is_file()]),
    }


def throughput(noisy: Path, folder: Path, options: argparse.Namespace) -> Row:
    """Pictures a second of two processes at the same time, each on its own core, and of Ray's two workers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    both = [folder / f"alone-{number}" for number in range(2)]
    running = [_alone(noisy, out, number, options.model) for number, out in enumerate(both)]
    assert not any(each.wait() for each in running)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    alone = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2
    rates = [rate(out) for out in both]
    with cluster(1, 1) as nodes:
        idle = tree_seconds()
        assert driver(noisy, folder / "ray", options.model, nodes.address).wait() == 0
        spent = tree_seconds() - idle
    by_ray = rate(folder / "ray")
    return {
        "pictures": options.count,
        "alone, processor s": alone,
        "ray, processor s": spent,
        "ratio, processor": alone / spent,
        "alone, a second": sum(rates),
        "ray, a second": by_ray,
        "ratio": by_ray / sum(rates),
        "load": os.getloadavg()[0],
    }


def _alone(noisy: Path, out: Path, core: int, model: str) -> subprocess.Popen[bytes]:
    command = [*COMMAND, str(noisy), "-o", str(out), "-r", "--model", model, "--workers", "1"]
    pinned = os.environ | {"PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(["taskset", "-c", str(core), *command], env=pinned, stdout=subprocess.DEVNULL)


def rate(out: Path) -> float:
    """Results a second, without the first and the last tenth: when processes start, and when one of them has ended."""
    written = sorted(file.stat().st_mtime for file in out.rglob("*.png"))
    tenth = len(written) // 10
    return (len(written) - 2 * tenth - 1) / (written[-1 - tenth] - written[tenth])


def tree_seconds() -> float:
    """Processor seconds of all processes below this one, those that have ended too."""
    total = 0.0
    for each in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = each.cpu_times()
            total += times.children_user + times.children_system
            total += (times.user + times.system) if each.pid != os.getpid() else 0.0
        except psutil.Error:
            continue
    return total


def _resident(number: int) -> int:
    try:
        return int(psutil.Process(number).memory_info().rss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
