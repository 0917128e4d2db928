"""What a folder of pictures takes: measured with one worker, predicted for more, and measured again.

    python benchmarks/cost_model.py --kind photographs --count 40 --workers 1 2 4
    python benchmarks/cost_model.py --processor-seconds 3.0 --pictures 1e6 1e9 --machines 100 --cores 64 --price-per-hour 3.0

The model is that of docs/scaling.md. `simulated` follows each picture through a queue, with times drawn from those that
were measured, so it knows of the last pictures, when some workers have nothing to do. On a machine with other work, give
`--count` enough that each run takes minutes.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import folders
from rows import Row, keep, tell

HOUR_SECONDS = 3600


@dataclass(frozen=True)
class CostModel:
    """The symbols of docs/scaling.md."""

    start_seconds: float
    """s, of one core: where there are more workers than cores, they start as much slower."""
    picture_seconds: float
    """p, of one core."""
    read_bytes: float = 0.0
    """b."""
    written_bytes: float = 0.0
    """b′."""
    read_rate: float = math.inf
    """r, bytes a second."""
    write_rate: float = math.inf
    """q, bytes a second."""

    def seconds(self, pictures: float, workers: int, cores: int) -> float:
        """T, the time of the whole run."""
        computing = self.picture_seconds / min(workers, cores)
        moving = self.read_bytes / self.read_rate + self.written_bytes / self.write_rate
        return self.start_seconds * max(1.0, workers / cores) + pictures * max(computing, moving)


def simulate(start: float, times: Sequence[float], pictures: int, workers: int, cores: int, seed: int = 0) -> float:
    """Seconds until the last picture is done.

    Each worker takes the next picture when it is free. Times are drawn from `times`. Where there are more workers than
    cores, each runs as much slower.
    """
    slower = max(1.0, workers / cores)
    draw = np.random.default_rng(seed)
    free = [slower * start] * workers
    for seconds in draw.choice(np.asarray(times), pictures):
        heapq.heappush(free, heapq.heappop(free) + slower * float(seconds))
    return max(free)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=folders.SIZES, default="photographs")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--model", default="default")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--processor-seconds", type=float, help="of a picture; given: nothing is measured")
    parser.add_argument("--pictures", type=float, nargs="+", default=[1e6, 1e7, 1e8, 1e9])
    parser.add_argument("--megabytes", type=float, default=5.0, help="of a picture, and of its result")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--read-rate", type=float, default=1e9, help="bytes a second that each machine reads, and writes")
    parser.add_argument("--price-per-hour", type=float, default=1.0, help="of a machine, in any currency")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.processor_seconds:
        rows = plan(options)
    else:
        rows = measure(options.kind, options.count, options.model, options.workers, options.cores)
    for number, row in enumerate(rows):
        tell(row, head=number == 0)
    keep(rows, options.out)


def plan(options: argparse.Namespace) -> list[Row]:
    """Hours and money of runs of several sizes."""
    size = options.megabytes * 1e6
    model = CostModel(10.0, options.processor_seconds, size, size, options.read_rate, options.read_rate)
    rows = []
    for pictures in options.pictures:
        hours = model.seconds(pictures / options.machines, options.cores, options.cores) / HOUR_SECONDS
        price = hours * options.machines * options.price_per_hour
        terabytes = 2 * pictures * size / 1e12
        rows.append({"pictures": pictures, "machines": options.machines, "hours": hours, "price": price, "TB": terabytes})
    return rows


def measure(kind: str, count: int, model: str, workers: Sequence[int], cores: int) -> list[Row]:
    """Runs with these numbers of workers beside their prediction, which knows the first one alone."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        folders.make(few, kind, 4)
        folders.make(many, kind, count)
        source = Path(__file__).resolve().parents[1] / "src"

        def seconds(noisy: Path, number: int) -> float:
            out = Path(folder) / f"{noisy.name}-{number}"
            return float(folders.run(source, noisy, out, model, number)["seconds"])

        short, long = seconds(few, workers[0]), seconds(many, workers[0])
        each = (long - short) / (count - 4) * min(workers[0], cores)
        known = CostModel(short - 4 * each / min(workers[0], cores), each)
        for number in workers:
            taken = long if number == workers[0] else seconds(many, number)
            predicted = known.seconds(count, number, cores)
            simulated = simulate(known.start_seconds, [each], count, number, cores)
            rows.append(
                {
                    "workers": number,
                    "measured": taken,
                    "predicted": predicted,
                    "simulated": simulated,
                    "ratio": simulated / taken,
                    "load": os.getloadavg()[0],
                }
            )
    return rows


if __name__ == "__main__":
    main()
