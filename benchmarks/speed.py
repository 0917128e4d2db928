"""How fast each method restores a picture: as published (plain) against as we run it (fast), beside what the machine can do.

    python benchmarks/speed.py                                   # every method on a picture of 256×256
    python benchmarks/speed.py --sizes 256 1mp 12mp --patience 300
    python benchmarks/speed.py --device cuda --sizes 256 1mp 12mp
    python benchmarks/speed.py --published ~/AP-BSN --methods ap-bsn
    python benchmarks/speed.py holes | growth | start

Each form of each method runs in a process of its own, so that its peak memory is its own; the forms take turns, and the median
counts. On a busy machine `--clock cpu` counts processor time in place of time on the wall.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from speed_machine import ceilings, peak_memory, seconds, work
from speed_methods import METHODS, adapter, needed_bytes, run
from speed_more import growth, holes, start
from speed_plot import plot_roofline
from unnoise.errors import UsageError
from unnoise.files import written_whole

SIZES = {"256": 256, "512": 512, "1mp": 1024, "12mp": 3456}
"""Sides of the square pictures; all divide by 32, as some published code demands."""
FIELDS = ("method", "size", "form", "seconds", "ratio", "target", "GMAC/s", "of ceiling", "peak MiB", "runs")


class Worker:
    """One form of one method on one size, in a process of its own."""

    def __init__(self, method: str, form: str, side: int, options: argparse.Namespace) -> None:
        what = json.dumps([method, form, side, options.device, options.clock, str(options.published or ""), options.threads])
        command = [sys.executable, __file__, "worker", "--what", what]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self) -> float | None:
        """Seconds of one more run; None where it failed, as for want of memory."""
        return self._ask("run")

    def close(self) -> float:
        """End the process; its peak memory in bytes."""
        peak = self._ask("end")
        self.process.wait()
        return peak or 0.0

    def _ask(self, word: str) -> float | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = self.process.stdout.readline()
        return float(answer) if answer.strip() else None


def work_for(what: list[Any]) -> None:
    """The worker's side: restore a picture at each word that comes in."""
    import torch

    method, form, side, device, clock, published, threads = what
    if threads:
        torch.set_num_threads(threads)
    restore = run(method, form, device, Path(published) if published else None)
    noisy = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    for word in sys.stdin:
        print(seconds(lambda: restore(noisy), device, clock) if word.strip() == "run" else peak_memory(device), flush=True)


def table(options: argparse.Namespace) -> None:
    """All methods and sizes: a table, a CSV file and a plot."""
    if options.published:
        adapter(options.published)  # a wrong folder is told at once
    limits = ceilings(options.device, options.clock)
    print("ceilings: " + ", ".join(f"{name} {value / 1e9:.0f} G/s" for name, value in limits.items()), flush=True)
    print("  ".join(f"{name:>10}" for name in FIELDS), flush=True)
    rows: list[dict[str, Any]] = []
    for method in options.methods:
        counts, guess = _counted(method), {}
        for size in options.sizes:
            rows += _cell(method, size, options, limits, counts, guess)
    again = ceilings(options.device, options.clock)
    print("ceilings at the end: " + ", ".join(f"{name} {value / 1e9:.0f} G/s" for name, value in again.items()))
    options.out.mkdir(parents=True, exist_ok=True)
    with written_whole(options.out / "speed.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*FIELDS, "MAC/byte"))
        writer.writeheader()
        writer.writerows(rows)
    plot_roofline(rows, limits, options.out / "speed.png")


def _cell(
    method: str,
    size: str,
    options: argparse.Namespace,
    limits: dict[str, float],
    counts: tuple[float, float],
    guess: dict[str, float],
) -> list[dict[str, Any]]:
    """The forms of one method on one size, taking turns. `guess` holds seconds a pixel from smaller sizes."""
    side = SIZES[size]
    forms = ["plain", "fast"] + (["published"] if options.published else [])
    likely = {form: guess.get(form, 0.0) * side**2 for form in forms}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    forms = [form for form in forms if likely[form] < options.patience and needed_bytes(method, form, side**2) < 0.8 * memory]
    workers = {form: Worker(method, form, side, options) for form in forms}
    times: dict[str, list[float]] = {form: [] for form in forms}
    for turn in range(options.repeats + 1):
        for form, worker in workers.items():
            slow = turn and (sum(times[form]) + likely[form] > options.patience or len(times[form]) < turn - 1)
            taken = None if slow else worker.measure()
            if taken is not None:
                likely[form] = taken
                times[form].append(taken)
    peaks = {form: worker.close() for form, worker in workers.items()}
    # The first run warms up, unless it is so long that it was the only one.
    middle = {form: median(runs[1:] or runs) for form, runs in times.items() if runs}
    guess |= {form: value / side**2 for form, value in middle.items()}
    rows = []
    for form, value in middle.items():
        macs, values = counts[0] * side**2, counts[1] * side**2
        name = "bfloat16" if form == "fast" and options.half else "float32"
        moved = values * (2 if name == "bfloat16" else 4)
        roof = min(max(limits[f"matmul {name}"], limits[f"convolution {name}"]), limits["copy"] * macs / moved)
        ratio = middle["plain"] / value if form != "plain" and "plain" in middle else None
        row = dict(zip(FIELDS, (
            method, size, form, f"{value:.3f}", f"{ratio:.2f}" if ratio else "",
            METHODS[method].target or "" if form == "fast" else "", f"{macs / value / 1e9:.0f}", f"{macs / value / roof:.2f}",
            f"{peaks[form] / 2**20:.0f}", max(1, len(times[form]) - 1),
        ), strict=True))  # fmt: skip
        print("  ".join(f"{row[name]:>10}" for name in FIELDS), flush=True)
        rows.append(row | {"MAC/byte": f"{macs / moved:.1f}"})
    return rows


def _counted(method: str) -> tuple[float, float]:
    """Multiplications and values moved for each pixel."""
    network, scheme, refinement = METHODS[method].build()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    first = work(lambda noisy: scheme.restore(network, noisy))
    again = work(lambda noisy: scheme.refine(network, noisy)) if refinement else (0.0, 0.0)
    draws = refinement.draws if refinement else 0
    return first[0] + draws * again[0], first[1] + draws * again[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", nargs="?", choices=("table", "holes", "growth", "start", "worker"), default="table")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["256"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--patience",
        type=float,
        default=20,
        help="seconds after which a cell is not repeated, or left out if bound to last longer",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="on the CPU; 0: as torch chooses")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--published", type=Path, help="a checkout of published code with an adapter unnoise_speed.py in it")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"), help="folder of speed.csv and speed.png")
    parser.add_argument("--what", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode == "worker":
        work_for(json.loads(options.what))
        return
    import torch

    from unnoise.inference.precision import has_fast_bfloat16

    if options.threads:
        torch.set_num_threads(options.threads)
    options.half = has_fast_bfloat16(torch.device(options.device))
    try:
        {"table": table, "holes": holes, "growth": growth, "start": start}[options.mode](options)
    except UsageError as error:
        sys.exit(f"speed.py: {error}")


if __name__ == "__main__":
    main()
