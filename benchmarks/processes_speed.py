"""Training by two processes beside two runs of one process each, at the same time: crops a second.

    python benchmarks/processes_speed.py BLOCK.webp ... --recipe tm-bsn-quick --steps 60

The two processes share a batch. Each of the two runs has half of that batch and one core to itself. Crops a second are those of the
second half of the steps, by each run's log. It needs two free cores; `load` tells how free they were.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rows import Row, keep, tell

SRC = Path(__file__).parents[1] / "src"
TRAIN = [sys.executable, "-c", "from unnoise.cli import main; main()", "train"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--recipe", default="tm-bsn-quick")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=4, help="of the two processes together")
    parser.add_argument("--crop", type=int, default=128, help="side in pixels")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    for _ in range(options.turns):
        with tempfile.TemporaryDirectory() as folder:
            alone = [start(options, Path(folder) / f"alone-{core}", options.batch // 2, core) for core in range(2)]
            for core, each in enumerate(alone):
                finish(each, Path(folder) / f"alone-{core}", options.steps)
            together = start(options, Path(folder) / "together", options.batch, None)
            finish(together, Path(folder) / "together", options.steps)
            apart = sum(rate(Path(folder) / f"alone-{core}") for core in range(2))
            joined = rate(Path(folder) / "together")
        row = {
            "recipe": options.recipe,
            "apart": apart,
            "together": joined,
            "ratio": joined / apart,
            "load": os.getloadavg()[0],
        }
        tell(row, head=not rows)
        rows.append(row)
    keep(rows, options.out)


def start(options: argparse.Namespace, out: Path, batch: int, core: int | None) -> subprocess.Popen[bytes]:
    """A run on one core, or of two processes where no core is named."""
    command = [
        *TRAIN,
        *map(str, options.pictures),
        "--recipe",
        options.recipe,
        "--steps",
        str(options.steps),
        "--out",
        str(out),
    ]
    command += ["--set", f"training.batch={batch}", "--set", f"training.crop={options.crop}", "--accept"]
    command = [*command, "--processes", "2"] if core is None else ["taskset", "-c", str(core), *command]
    env = os.environ | {"PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(running: subprocess.Popen[bytes], out: Path, steps: int) -> None:
    """Wait for the last step, and end the run before it compares its model with others."""
    while not (logged := read(out)) or int(logged[-1]["step"]) < steps:
        if running.poll() is not None:
            raise SystemExit(f"The run in {out} ended with {running.returncode}.")
        time.sleep(0.5)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def read(out: Path) -> list[dict[str, str]]:
    """The lines of a run's log."""
    file = out / "log.csv"
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def rate(out: Path) -> float:
    """Crops a second of the second half of a run: its log has a line for every 20 steps."""
    found = [float(row["images_per_second"]) for row in read(out)]
    return median(found[len(found) // 2 :])


if __name__ == "__main__":
    main()
