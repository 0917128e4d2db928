"""Time and memory of two builds of unnoise, in turns: this one and another checkout's.

    git worktree add ../before TAG
    python benchmarks/builds.py ../before/src --megapixels 1 24
    python benchmarks/builds.py ../before/src --megapixels 1 --bounded    # with what bounds the removal
    python benchmarks/builds.py ../before/src --bounded --engine openvino # this build by another engine
    python benchmarks/builds.py ../before/src --bounded --again           # the third of three pictures of one size

Each run has its own process. It denoises one 8-bit color picture with noise, after a smaller one that warms up. The last
column is this build's median divided by the other's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ASPECT = 3, 2
WARM_UP_PIXELS = 512
"""Side of the picture that warms up."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="the folder src of the other checkout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1.0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--bounded", action="store_true", help="leave the bound on the removal as this build has it")
    parser.add_argument("--engine", default="torch", help="of this build; the other one runs as it chooses")
    parser.add_argument("--again", action="store_true", help="two pictures of the same size warm up")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(**json.loads(options.only))))
        return
    builds = {"before": options.before.resolve(), "this": Path(__file__).resolve().parents[1] / "src"}
    print("megapixels  quantity  before  this  ratio")
    for size in options.megapixels:
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in builds}
        for _ in range(options.repeats):
            for name, source in builds.items():
                unbounded = name == "this" and not options.bounded
                engine = options.engine if name == "this" else ""
                taken[name].append(
                    _run(source, options.model, size, options.threads, engine, unbounded=unbounded, again=options.again)
                )
        for quantity in taken["this"][0]:
            before, this = (median(run[quantity] for run in taken[name]) for name in builds)
            print(f"{size:g}  {quantity}  {before:.2f}  {this:.2f}  {this / before:.3f}", flush=True)


def measure(model: str, megapixels: float, threads: int, engine: str, *, unbounded: bool, again: bool) -> dict[str, float]:
    """Processor seconds, seconds, and the peak of memory in MiB."""
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads it, too, when it is imported
    import unnoise

    height = round((megapixels * 1e6 * ASPECT[1] / ASPECT[0]) ** 0.5)
    noisy = picture(height, height * ASPECT[0] // ASPECT[1])
    loaded = unnoise.load(model, engine=engine) if engine else unnoise.load(model)
    arguments: dict[str, Any] = {"bounded": False} if unbounded else {}
    for _ in range(1 + again):
        loaded.denoise(noisy if again else noisy[:WARM_UP_PIXELS, :WARM_UP_PIXELS], **arguments)
    cpu, wall = time.process_time(), time.perf_counter()
    loaded.denoise(noisy, **arguments)
    return {
        "processor seconds": time.process_time() - cpu,
        "seconds": time.perf_counter() - wall,
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def picture(height: int, width: int) -> np.ndarray:
    """Waves in color, with noise of 13 steps, (height, width, 3) uint8."""
    rows, columns = np.ogrid[:height, :width]
    waves = (0.5 + 0.25 * np.sin(columns / 37) * np.cos(rows / 53)).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.05, (height, width, 3)).astype(np.float32)
    clean = waves[..., None] * np.array([1, 0.9, 0.8], np.float32)
    return ((clean + noise).clip(0, 1) * 255).round().astype(np.uint8)


def _run(
    source: Path, model: str, megapixels: float, threads: int, engine: str, *, unbounded: bool, again: bool
) -> dict[str, float]:
    what = {
        "model": model,
        "megapixels": megapixels,
        "threads": threads,
        "engine": engine,
        "unbounded": unbounded,
        "again": again,
    }
    command = [sys.executable, __file__, str(source), "--only", json.dumps(what)]
    environment = os.environ | {"PYTHONPATH": str(source)}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
