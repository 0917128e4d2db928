"""Peak memory of a process that denoises one large picture, as a CSV file and a table.

    python benchmarks/memory.py --megapixels 24 100 --out docs/results/memory.csv

Each picture is a TIFF of 16-bit RGB noise, and `unnoise denoise` runs on it in its own process. With `--bare`, the
pixels lie in a raw file, so that only the restoration is measured and no picture format. With `--tiny`, the network has
4 features and there is no refinement. That takes minutes where the default model takes hours, and needs as much memory
for pictures, bands and strips.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from child_process import run_and_measure
from rows import keep, tell

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 256  # written at a time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", nargs="+", type=float, default=[24, 100])
    parser.add_argument("--model", default="default")
    parser.add_argument("--tiny", action="store_true", help="an untrained network of 4 features in place of the model")
    parser.add_argument("--bare", action="store_true", help="a raw file in place of a TIFF")
    parser.add_argument(
        "--options", nargs="*", default=["--precision=float32"], help="for `unnoise denoise`, such as --no-refine"
    )
    parser.add_argument("--folder", type=Path, help="for the pictures; default: the system's temporary folder")
    parser.add_argument("--out", type=Path, help="CSV file")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        restore_raw(*options.child)
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        model = tiny_model(Path(folder)) if options.tiny else options.model
        for megapixels in options.megapixels:
            side = round(math.sqrt(megapixels * 1e6 / 1.5) / 2) * 2 if megapixels < 100 else round(math.sqrt(megapixels * 1e6))
            height, width = side, round(megapixels * 1e6 / side)
            peak, seconds = measure(Path(folder), height, width, str(model), options)
            row = {
                "megapixels": megapixels,
                "sides": f"{height}x{width}",
                "model": "tiny" if options.tiny else model,
                "way": "bare" if options.bare else "tiff",
                "options": " ".join(options.options),
                "peak_mb": f"{peak / 1e6:.0f}",
                "seconds": f"{seconds:.0f}",
            }
            rows.append(row)
            tell(row)
    keep(rows, options.out)


def measure(folder: Path, height: int, width: int, model: str, options: argparse.Namespace) -> tuple[int, float]:
    """Peak of the resident memory in bytes, as the system tells it of the finished process, and seconds."""
    source, target = folder / "noise.tif", folder / "restored.tif"
    shape = (height, width, 3)
    if options.bare:
        source.write_bytes(b"")
        with source.open("wb") as file:
            for part in noise(shape):
                file.write(part.tobytes())
        command = [sys.executable, __file__, "--child", str(source), str(target), f"{height},{width},3", model]
    else:
        import tifffile

        tifffile.imwrite(
            source, noise(shape), shape=shape, dtype=np.uint16, photometric="rgb", rowsperstrip=ROWS, compression=None
        )
        program = "from unnoise.cli import main; main()"
        command = [sys.executable, "-c", program, "denoise", str(source), "-o", str(target), "--model", model, "--overwrite"]
        command += options.options
    measured = run_and_measure(command)
    assert target.stat().st_size > 0
    return measured


def noise(shape: tuple[int, int, int]):  # type: ignore[no-untyped-def]
    """A grey ramp with noise on it, some rows at a time."""
    random = np.random.default_rng(0)
    for top in range(0, shape[0], ROWS):
        rows = min(ROWS, shape[0] - top)
        ramp = np.linspace(5000, 60000, shape[1])[None, :, None]
        yield (ramp + random.normal(0, 2000, (rows, *shape[1:]))).clip(0, 65535).astype(np.uint16)


class RawFile:
    """Pixels that lie in a file one row after the other, read without mapping the file into memory."""

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.file, self.shape, self.dtype = os.open(path, os.O_RDONLY), shape, np.dtype(np.uint16)

    def region(self, rows: slice, columns: slice) -> NDArray[np.uint16]:
        _, width, channels = self.shape
        count = (columns.stop - columns.start) * channels
        part = np.empty((rows.stop - rows.start, count), np.uint16)
        for row in range(rows.start, rows.stop):
            offset = (row * width + columns.start) * channels * 2
            part[row - rows.start] = np.frombuffer(os.pread(self.file, count * 2, offset), np.uint16)
        return part.reshape(len(part), -1, channels)


class RawStore:
    """A result that is written to a file row by row, and never read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, rows: slice, restored: Tensor) -> None:
        pixels = (restored[0].permute(1, 2, 0).numpy() * 65535).round()  # (rows, W, C)
        self.file.write(pixels.astype(np.uint16).tobytes())

    def read(self, rows: slice, columns: slice) -> Tensor:
        raise NotImplementedError

    def copy(self) -> None:
        raise NotImplementedError


def restore_raw(source: str, target: str, shape: str, name: str) -> None:
    """What the measured process does with --bare."""
    from unnoise import images
    from unnoise.inference.pipeline import Pipeline
    from unnoise.inference.settings import InferenceSettings
    from unnoise.inference.sources import source_of_file
    from unnoise.models import shipped

    model = shipped.load(name)
    settings = InferenceSettings(refinement=model.recipe.refinement, precision="float32")
    pixels = RawFile(source, tuple(map(int, shape.split(","))))
    with Path(target).open("wb") as file:
        noisy = source_of_file(pixels, images.Layout("rgb"), None)
        Pipeline(model.network, model.recipe.scheme, settings).run(noisy, RawStore(file))


def tiny_model(folder: Path) -> Path:
    from unnoise import recipes
    from unnoise.models.model import fresh

    fields = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}
    fresh(recipes.validate(fields, "tiny")).save(folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


if __name__ == "__main__":
    main()
