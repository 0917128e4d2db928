"""How long one photograph takes from cold, by the command line: engines and builds in turns.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --before ../before/src    # another checkout's, too
    python benchmarks/cold_start.py --before ../before/src --megapixels 24 --turns 1 --unwarmed

The picture is a JPEG with noise, and the result a JPEG. Processor seconds, seconds on the wall and the largest memory of a
process, the least of all turns. The last columns are these divided by those of the first row. A first turn, which is not
counted, writes the bytecode of all modules, as an installation does. The other checkout runs as it chooses itself, which is
PyTorch where that is installed. An engine that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ENGINES = "torch", "onnx", "openvino"
COMMAND = "from unnoise.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the folder src of another checkout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--unwarmed", action="store_true", help="without the first turn: for long runs")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment that is measured")
    options = parser.parse_args()
    sources = {"before": options.before} if options.before else {}
    sources |= {"this": Path(__file__).resolve().parents[1] / "src"}
    cases = [("before", "as it chooses")] if options.before else []
    cases += [("this", engine) for engine in options.engines]
    taken: dict[tuple[str, str], list[tuple[float, ...]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder) / "photo.jpg", round((options.megapixels * 1e6) ** 0.5))
        for turn in range(options.unwarmed, options.turns + 1):
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
    print("| build, engine | processor s | s | MB | processor ratio | ratio | memory ratio |\n|---|---|---|---|---|---|---|")
    for (name, engine), (processor, wall, megabytes) in least.items():
        ratios = f"{processor / first[0]:.2f} | {wall / first[1]:.2f} | {megabytes / first[2]:.2f}"
        print(f"| {name}, {engine} | {processor:.2f} | {wall:.2f} | {megabytes:.0f} | {ratios} |")


def write_photo(path: Path, side: int = 1000) -> None:
    """A square JPEG of waves in all channels, with noise."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    waves = np.sin(columns / 19), np.sin(columns / 12 + rows / 27), np.cos(rows / 9)
    scene = np.stack([120 + 50 * wave for wave in waves], -1)
    noisy = scene + 15 * generator.standard_normal(scene.shape, np.float32)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=95)


def seconds(command: list[str], folder: str, settings: dict[str, str]) -> tuple[float, float, float]:
    """Processor time, time on the wall, and megabytes of the largest process, of one call."""
    began = time.perf_counter()
    with (Path(folder) / "errors.txt").open("w+b") as errors:
        child = subprocess.Popen(command, cwd=folder, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command, stderr=errors.read())
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
