"""How long one photograph takes from cold, by the command line: engines and builds in turns.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --before ../before/src    # another checkout's, too

The picture is a JPEG of one megapixel with noise, and the result a JPEG. Processor seconds and seconds on the wall, the least of
all turns. The last column is the processor time divided by that of the first row.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PIXELS = 1000
ENGINES = "torch", "onnx"
COMMAND = "from unnoise.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the folder src of another checkout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", default="1")
    options = parser.parse_args()
    sources = {"before": options.before} if options.before else {}
    sources |= {"this": Path(__file__).resolve().parents[1] / "src"}
    taken: dict[str, list[tuple[float, float]]] = {f"{name}, {engine}": [] for name in sources for engine in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder) / "photo.jpg")
        for _ in range(options.turns):
            for name, source in sources.items():
                for engine in ENGINES:
                    arguments = ["denoise", "photo.jpg", "-o", "clean.jpg", "--overwrite"]
                    arguments += ["--engine", engine, "--model", options.model]
                    settings = {"PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": options.threads}
                    taken[f"{name}, {engine}"].append(seconds(arguments, folder, settings))
    first = min(processor for processor, _ in next(iter(taken.values())))
    print("| build, engine | processor s | s | ratio |\n|---|---|---|---|")
    for name, runs in taken.items():
        processor, wall = (min(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {processor:.2f} | {wall:.2f} | {processor / first:.2f} |")


def write_photo(path: Path) -> None:
    """A JPEG of waves in all channels, with noise."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE_PIXELS, 0:SIDE_PIXELS]
    waves = np.sin(columns / 19), np.sin(columns / 12 + rows / 27), np.cos(rows / 9)
    scene = np.stack([120 + 50 * wave for wave in waves], -1)
    noisy = scene + generator.normal(0, 15, scene.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=95)


def seconds(arguments: list[str], folder: str, settings: dict[str, str]) -> tuple[float, float]:
    """Processor time and time on the wall of one call."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", COMMAND, *arguments]
    subprocess.run(command, cwd=folder, env=os.environ | settings, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor, time.perf_counter() - began


if __name__ == "__main__":
    main()
