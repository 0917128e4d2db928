"""Training by several processes: how far its loss curve is from that of one process with the same batch.

    python benchmarks/processes.py --processes 2 4
    sudo python benchmarks/processes.py --namespaces      # two network namespaces as two machines

float32, one thread for each process, small networks, CPU. `deviation` is the largest relative difference of a step's loss.
`in parts` is the same for one process that computes its batch in so many parts: what rounding alone does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "training"))

import torch
from test_shards import RECIPES

import training_process
from rows import Row, keep, tell
from unnoise.training.launch import launch

PORT = 29511


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", choices=RECIPES, nargs="+", default=list(RECIPES))
    parser.add_argument("--processes", type=int, nargs="+", default=[2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--namespaces", action="store_true", help="one process in each of two network namespaces; needs root")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            recipe, changes = RECIPES[kind]
            alone = training_process.run(Path(folder) / kind / "one", options.steps, recipe, changes)
            for count in [2] if options.namespaces else options.processes:
                out = Path(folder) / kind / str(count)
                command = [
                    sys.executable,
                    training_process.__file__,
                    str(out),
                    str(options.steps),
                    recipe,
                    json.dumps(changes),
                    "{}",
                ]
                if options.namespaces:
                    in_namespaces(command)
                else:
                    assert launch(count, command) == 0
                parts = training_process.run(out.with_name("parts"), options.steps, recipe, changes, accumulate=count)
                curve = json.loads((out / "losses.json").read_text())
                row = {
                    "kind": kind,
                    "processes": count,
                    "deviation": deviation(alone, curve),
                    "in parts": deviation(alone, parts),
                }
                tell(row, head=not rows)
                rows.append(row)
    keep(rows, options.out)


def deviation(curve: list[float], other: list[float]) -> float:
    """The largest relative difference."""
    return max(abs(one - two) / abs(one) for one, two in zip(curve, other, strict=True))


def in_namespaces(command: list[str]) -> None:
    """Run a process in each of two network namespaces that a virtual cable joins."""
    names = "unnoise0", "unnoise1"
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1")
        for rank, name in enumerate(names):
            run("ip", "link", "set", f"cable{rank}", "netns", name)
            run("ip", "-n", name, "addr", "add", f"10.77.0.{rank + 1}/24", "dev", f"cable{rank}")
            run("ip", "-n", name, "link", "set", f"cable{rank}", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        members = []
        for rank, name in enumerate(names):
            place = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1, "MASTER_ADDR": "10.77.0.1"}
            place |= {"MASTER_PORT": PORT, "GLOO_SOCKET_IFNAME": f"cable{rank}"}
            env = os.environ | {key: str(value) for key, value in place.items()}
            members.append(subprocess.Popen(["ip", "netns", "exec", name, *command], env=env))
        assert [member.wait() for member in members] == [0, 0]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name])


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
