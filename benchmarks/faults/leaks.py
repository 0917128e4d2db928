"""Many pictures in one process: memory and open files must stay level.

    python benchmarks/faults/leaks.py --pictures 1000
    python benchmarks/faults/leaks.py --pictures 1000 --sizes 200

Pictures of several formats and sizes are read, denoised and written, and every tenth is damaged. A row is printed every
tenth of the way. With `--sizes N` the same N sizes and formats come again and again: then each pass after the second must
be level. Exit status 1: from the first fifth to the end memory grew by more than `ALLOWED_MEBIBYTES`, or the number of
open files or threads grew.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

ALLOWED_MEBIBYTES = 30.0
"""Fragments of the heap come and go."""
SUFFIXES = (".png", ".jpg", ".tif", ".webp", ".avif", ".npy", ".jxl", ".bmp")
LARGEST_PIXELS = 260
"""Side of a picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--sizes", type=int, help="how many different pictures there are; default: all differ")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    import torch

    import unnoise
    from unnoise.inference.memory import trim_memory

    torch.set_num_threads(1)
    model, process, rows = unnoise.load(options.model), psutil.Process(), []
    with tempfile.TemporaryDirectory() as name:
        for number in range(1, options.pictures + 1):
            kind = number % (options.sizes or options.pictures)
            one_picture(model, np.random.default_rng(kind), Path(name), kind)
            if number % max(1, options.pictures // 10) == 0:
                resident = process.memory_info().rss
                trim_memory()  # glibc keeps up to half a gigabyte of freed memory for the next picture
                found = {
                    "pictures": number,
                    "resident_mebibytes": round(resident / 2**20, 1),
                    "live_mebibytes": round(process.memory_info().rss / 2**20, 1),
                    "open_files": process.num_fds(),
                    "threads": process.num_threads(),
                }
                print(" ".join(f"{key} {value}" for key, value in found.items()), flush=True)
                rows.append(found)
    if options.out:
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    before, after = rows[1], rows[-1]
    grown = {key: after[key] - before[key] for key in before}
    print(f"grown: {grown['live_mebibytes']:.1f} MiB, {grown['open_files']} open files, {grown['threads']} threads")
    sys.exit(grown["live_mebibytes"] > ALLOWED_MEBIBYTES or grown["open_files"] > 0 or grown["threads"] > 0)


def one_picture(model: object, rng: np.random.Generator, folder: Path, number: int) -> None:
    """Write, read, denoise and write a picture. Every tenth is cut short before it is read."""
    from unnoise import images
    from unnoise.errors import UnnoiseError

    suffix = SUFFIXES[number % len(SUFFIXES)]
    height, width = rng.integers(20, LARGEST_PIXELS, 2)
    source = folder / f"a{suffix}"
    images.write(source, images.Picture(rng.integers(60, 200, (height, width, 3), np.uint8)), overwrite=True)
    if number % 10 == 0:
        source.write_bytes(source.read_bytes()[:-50])
    with contextlib.suppress(UnnoiseError):
        picture = images.read(source)
        images.write(folder / f"b{suffix}", images.Picture(model.denoise(picture.pixels)), overwrite=True)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
