"""The scenario of `denoise --engine ray`: a folder of pictures on a cluster, whose drivers and workers are killed."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from children import Reference, Row, start, wait
from scenario import Scenario

NAME = "denoise, Ray"
PICTURES = 12
WORKER = "ray::MapWorker"
"""How Ray calls the process of a worker that does pictures."""
BEGIN_SECONDS = 800.0
"""A fault waits so long at most for the first result: the driver connects, and workers load the model."""
LATER_SECONDS = 0.05
"""At most so long after the result that a fault waits for."""


@functools.cache
def address_of(folder: Path) -> str:
    """Start the node. Its system's folder is `folder`, where killed workers could leave something."""
    folder.mkdir(parents=True, exist_ok=True)
    node = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("ray_nodes.py"))],
        env=os.environ | {"TMPDIR": str(folder), "RAY_TMPDIR": "/tmp"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert node.stdout is not None
    address = node.stdout.readline().strip()
    if not address:
        raise RuntimeError("Ray's node does not start")
    return address


def scenarios(folder: Path, *, make: bool) -> Iterator[Scenario]:
    """The scenario, where Ray is installed; see `scenarios.all_scenarios`."""
    if not all(map(importlib.util.find_spec, ("ray", "pyarrow"))):
        return
    made = folder / "ray"
    for inside in ("in", "out", "tmp"):
        (made / inside).mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES if make else 0):
        _write_picture(made / "in" / f"{number}.png", number)
    system = folder / "ray-tmp"

    def denoise(place: Path) -> list[str]:
        return [
            "denoise", str(place / "in"), "-o", str(place / "out"), "--engine", "ray", "--address", address_of(system),
            "--workers", "2", "--model", str(folder / "model.safetensors"), "--device", "cpu",
        ]  # fmt: skip

    faults = ("kill", "kill of a worker")
    yield Scenario(NAME, made, denoise, faults=faults, moment=wait_for_results, system=system, account=account)


def _write_picture(path: Path, seed: int) -> None:
    from unnoise import images

    images.write(
        path, images.Picture(np.random.default_rng(seed).integers(20 + 10 * seed, 120 + 10 * seed, (160, 200, 3), np.uint8))
    )


def account(place: Path) -> bytes:
    """Picture, outcome and checksum of each row of the account; of what is done, its checksum is that of the file.

    It is read in a process of its own, as the library's threads do not survive the forks of later trials.
    """
    program = (
        "import json, os, sys; from unnoise.batch.cluster.account import Account; from unnoise.batch.cluster.storage import Storage; "
        "rows = Account(Storage(sys.argv[1])).rows('').values(); "
        "print(json.dumps(sorted([row['picture'], row['outcome'], row['result_checksum']] for row in rows)), flush=True); "
        "os._exit(0)"  # pyarrow's threads at times abort a process that ends right after it has read
    )
    made = subprocess.run([sys.executable, "-c", program, str(place / "out")], capture_output=True, check=False)
    if made.returncode:
        raise ValueError(made.stderr[-300:])
    rows: list[Any] = json.loads(made.stdout)
    return json.dumps(rows).encode()


def wait_for_results(place: Path, rng: random.Random) -> None:
    """Wait until a random number of results is there, and a little longer."""
    wanted, until = rng.randrange(PICTURES), time.monotonic() + BEGIN_SECONDS
    while len(list((place / "out").glob("*.png"))) < wanted and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(rng.random() * LATER_SECONDS)


def kill_of_a_worker(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """SIGKILL for a process that does pictures, at a random moment. The run goes on, and does all pictures."""
    child = start(scenario.command(place), place)
    wait_for_results(place, rng)
    workers = [each for each in psutil.process_iter(["cmdline"]) if " ".join(each.info["cmdline"] or []).startswith(WORKER)]
    ours = [each for each in workers if _is_ours(each, scenario)]
    if ours:
        chosen = rng.choice(ours)
        if psutil.pid_exists(chosen.pid):
            os.kill(chosen.pid, signal.SIGKILL)
            row.struck += 1
    status, said = wait(child, place)
    if status != 0:
        row.counts["lost"] += 1
        print(f"{scenario.name}: status {status}, {said[-600:]}", file=sys.stderr)
    return said


def _is_ours(process: psutil.Process, scenario: Scenario) -> bool:
    """Whether a worker belongs to the node that this soak started: others may run on this machine."""
    try:
        return process.environ().get("TMPDIR") == str(scenario.system)
    except psutil.Error:
        return False
