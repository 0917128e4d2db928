"""How long one photograph takes from cold, by the command line: engines and builds in turns.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --before ../before/src    # another checkout's, too

The picture is a JPEG of one megapixel with noise, and the result a JPEG. Processor seconds and seconds on the wall, the least of
all turns. The last columns are both divided by those of the first row. A first turn, which is not counted, writes the bytecode of
all modules, as an installation does. The other checkout runs as it chooses itself, which
is PyTorch where that is installed. An engine that is not installed is left out.
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
ENGINES = "torch", "onnx", "openvino"
COMMAND = "from unnoise.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the folder src of another checkout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment that is measured")
    options = parser.parse_args()
    sources = {"before": options.before} if options.before else {}
    sources |= {"this": Path(__file__).resolve().parents[1] / "src"}
    cases = [("before", "as it chooses")] if options.before else []
    cases += [("this", engine) for engine in options.engines]
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder) / "photo.jpg")
        for turn in range(options.turns + 1):
            for name, engine in list(taken):
                arguments = ["denoise", "photo.jpg", "-o", "clean.jpg", "--overwrite", "--model", options.model]
                arguments += ["--engine", engine] if name == "this" else []  # builds before had no such option
                settings = {"PYTHONPATH": str(sources[name].resolve()), "OMP_NUM_THREADS": options.threads}
                settings |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{folder}/{name}"}
                try:
                    told = seconds([options.python, "-c", COMMAND, *arguments], folder, settings)
                except subprocess.CalledProcessError as failed:
                    print(f"{name}, {engine} is left out: {failed.stderr.decode().strip().splitlines()[-1]}", file=sys.stderr)
                    del taken[name, engine]
                    continue
                if turn:
                    taken[name, engine].append(told)
    least = {case: tuple(min(column) for column in zip(*runs, strict=True)) for case, runs in taken.items()}
    first = next(iter(least.values()))
    print("| build, engine | processor s | s | processor ratio | ratio |\n|---|---|---|---|---|")
    for (name, engine), (processor, wall) in least.items():
        ratios = f"{processor / first[0]:.2f} | {wall / first[1]:.2f}"
        print(f"| {name}, {engine} | {processor:.2f} | {wall:.2f} | {ratios} |")


def write_photo(path: Path) -> None:
    """A JPEG of waves in all channels, with noise."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE_PIXELS, 0:SIDE_PIXELS]
    waves = np.sin(columns / 19), np.sin(columns / 12 + rows / 27), np.cos(rows / 9)
    scene = np.stack([120 + 50 * wave for wave in waves], -1)
    noisy = scene + generator.normal(0, 15, scene.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=95)


def seconds(command: list[str], folder: str, settings: dict[str, str]) -> tuple[float, float]:
    """Processor time and time on the wall of one call."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=os.environ | settings, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor, time.perf_counter() - began


if __name__ == "__main__":
    main()
