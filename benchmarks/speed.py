"""How fast each method restores a picture: as published (plain) against as we run it (fast), beside what the machine can do.

    python benchmarks/speed.py                                   # every method on a picture of 256×256
    python benchmarks/speed.py --sizes 256 1mp 12mp --patience 300
    python benchmarks/speed.py --device cuda --sizes 256 1mp 12mp
    python benchmarks/speed.py --published ~/AP-BSN --methods ap-bsn
    python benchmarks/speed.py train                             # training steps, plain against as we run them
    python benchmarks/speed.py holes | growth | start | profile

Each form of each method runs in a process of its own, so that its peak memory is its own; the forms take turns, and the median
counts. On a busy machine `--clock cpu --threads 1` counts processor time in place of time on the wall, and `--budget` bounds what
an entry may take. Rows are on the disk as they come: the same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from speed_growth import growth
from speed_methods import METHODS
from speed_more import holes, start
from speed_profile import profile
from speed_table import SIZES, table
from speed_training import train
from speed_worker import work_for
from unnoise.errors import UsageError

MODES = {"table": table, "holes": holes, "growth": growth, "start": start, "train": train, "profile": profile}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", nargs="?", choices=(*MODES, "worker"), default="table")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["256"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--patience",
        type=float,
        default=20,
        help="seconds after which an entry is not repeated, or left out if bound to last longer",
    )
    parser.add_argument(
        "--budget", type=float, default=3600, help="seconds on the wall after which an entry ends with the runs it has"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of the fast form, in the table; as `unnoise denoise` takes it")
    parser.add_argument("--threads", type=int, default=0, help="on the CPU; 0: as torch chooses")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--form", choices=("plain", "fast"), default="fast", help="what `profile` looks at")
    parser.add_argument("--batch", type=int, default=2, help="most crops a step in `train`; 0: as the recipe says")
    parser.add_argument("--crop", type=int, default=160, help="largest side of the crops in `train`; 0: as the recipe says")
    parser.add_argument(
        "--compile", action="store_true", help="`train`: our steps by torch.compile, and the seconds that compiling takes"
    )
    parser.add_argument(
        "--sampled", action="store_true", help="`growth`: of each picture's tiles one of each kind, times their number"
    )
    parser.add_argument("--published", type=Path, help="a checkout of published code with an adapter unnoise_speed.py in it")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"), help="folder of speed.csv, speed.json and speed.png")
    parser.add_argument("--fresh", action="store_true", help="begin anew where that folder holds rows")
    parser.add_argument("--what", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode == "worker":
        work_for(json.loads(options.what))
        return
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        MODES[options.mode](options)
    except UsageError as error:
        sys.exit(f"speed.py: {error}")


if __name__ == "__main__":
    main()
