"""Peak memory of a process that reads and writes a cube of science which is larger than that, as a table and a CSV file.

    python benchmarks/memory_cubes.py --gigabytes 4 --out docs/results/memory_cubes.csv

The cube is a file full of holes, so that it takes no room on the disk; its result takes all of it. `unnoise denoise
--strength 0` runs on it in its own process. This reads each frame and writes it, and leaves out the network alone,
whose memory depends on a frame (see memory.py) and not on the number of frames. With `--strength 1` the network runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from child_process import run_and_measure
from rows import keep, tell

SIDE = 2048
"""Pixels along a frame of float32, which has 16 MiB."""
FITS_BLOCK_BYTES = 2880
KINDS = ("fits", "mrc", "hdf5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--strength", default="0")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--folder", type=Path, help="for the files; default: the system's temporary folder")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    rows = []
    frames = max(1, round(options.gigabytes * 1e9 / (4 * SIDE**2)))
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            source = cube(Path(folder), kind, frames)
            peak, seconds = measure(source, options.model, options.strength)
            row = {
                "format": kind,
                "gigabytes": f"{source.stat().st_size / 1e9:.2f}",
                "frames": frames,
                "strength": options.strength,
                "peak_mb": f"{peak / 1e6:.0f}",
                "seconds": f"{seconds:.0f}",
            }
            rows.append(row)
            tell(row, head=len(rows) == 1)
    keep(rows, options.out)


def cube(folder: Path, kind: str, frames: int, side: int = SIDE) -> Path:
    """A file of zeros but for its first frame, with holes where the others are."""
    first = np.random.default_rng(0).poisson(100, (side, side)).astype(np.float32)
    size = 4 * side * side * frames
    path = folder / f"cube.{'h5' if kind == 'hdf5' else kind}"
    if kind == "hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("data", (frames, side, side), "f4", chunks=(1, side, side), fillvalue=7.0)[0] = first
        return path
    if kind == "fits":
        from astropy.io import fits

        header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3)])
        header.extend([("NAXIS1", side), ("NAXIS2", side), ("NAXIS3", frames)], end=True)
        head, first = header.tostring().encode(), first.astype(">f4")
        end = len(head) + -(-size // FITS_BLOCK_BYTES) * FITS_BLOCK_BYTES
    else:
        import mrcfile

        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(np.zeros((1, 2, 2), np.float32))
            file.header.nx = file.header.ny = file.header.mx = file.header.my = side
            file.header.nz = file.header.mz = frames
            made = file.header.tobytes()
        head, end = made[:1024], 1024 + size
    with path.open("wb") as out:
        out.write(head + first.tobytes())
        out.truncate(end)
    return path


def measure(source: Path, model: str, strength: str) -> tuple[int, float]:
    """Peak of the resident memory in bytes, as the system tells it of the finished process, and seconds."""
    target = source.with_name(f"result{source.suffix}")
    program = "from unnoise.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "denoise",
        str(source),
        "-o",
        str(target),
        "--model",
        model,
        "--strength",
        strength,
    ]
    measured = run_and_measure(command)
    assert target.stat().st_size >= source.stat().st_size // 2
    return measured


if __name__ == "__main__":
    main()
