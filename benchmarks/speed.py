"""How fast each method restores a picture, as published (plain) and as unnoise runs it (fast).

    python benchmarks/speed.py                                   # every method on a picture of 256×256
    python benchmarks/speed.py --sizes 256 1mp 12mp --patience 300
    python benchmarks/speed.py --device cuda --sizes 256 1mp 12mp
    python benchmarks/speed.py --published ~/AP-BSN --methods ap-bsn
    python benchmarks/speed.py train                             # training steps, plain and fast
    python benchmarks/speed.py holes | growth | start | profile

Each form of each method runs in its own process, so that its peak memory is its own. The forms take turns, and the
median counts. On a busy machine, `--clock cpu --threads 1` counts processor time and not time on the wall, and
`--budget` limits the time of an entry. Each row is written at once: the same command continues where it was stopped.
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
        help="an entry that takes more seconds is not repeated, or is left out",
    )
    parser.add_argument("--budget", type=float, default=3600, help="seconds on the wall after which an entry gets no more runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="precision of the fast form in the table, as in `unnoise denoise`")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: as torch chooses")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--form", choices=("plain", "fast"), default="fast", help="the form that `profile` measures")
    parser.add_argument("--batch", type=int, default=2, help="most crops a step in `train`; 0: as the recipe says")
    parser.add_argument("--crop", type=int, default=160, help="largest side of the crops in `train`; 0: as the recipe says")
    parser.add_argument(
        "--compile", action="store_true", help="`train`: use torch.compile for our steps, and tell the seconds of compiling"
    )
    parser.add_argument(
        "--sampled", action="store_true", help="`growth`: time one tile of each kind, and multiply by their number"
    )
    parser.add_argument("--published", type=Path, help="a checkout of published code with an adapter unnoise_speed.py in it")
    parser.add_argument("--out", type=Path, default=Path("runs/speed"), help="folder of speed.csv, speed.json and speed.png")
    parser.add_argument("--fresh", action="store_true", help="start again in a folder that has rows")
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
