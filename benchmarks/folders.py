"""Time of folders of pictures: this build with several numbers of workers, and another checkout's, in turns.

    git worktree add ../before b34a0de2
    python benchmarks/folders.py ../before/src --kind thumbnails --count 2000
    python benchmarks/folders.py ../before/src --kind photographs --count 200
    python benchmarks/folders.py --kind photographs --count 40 --workers 1 2 4 --out rows.csv
    python benchmarks/folders.py ../before/src --kind thumbnails --count 11 --model fast --each

Each run is one `unnoise denoise FOLDER` in its own process, from start to end. `processor` is the time of all its
processes. `ratio` is the other build's seconds divided by this one's, in the same turn. `network` is the share of the
processor time within the network, with `--share`. `--each` gives the processor seconds of one picture in one thread, which
also a busy machine can tell.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from builds import picture
from rows import Row, keep, tell
from unnoise import images

SIZES = {"thumbnails": (256, 256), "photographs": (1224, 1632), "large": (2848, 4256)}
"""Rows and columns: 65,536 pixels, 2 and 12 megapixels."""
RUN = "from unnoise.cli import main; main()"
EACH = """
import sys, time, torch, unnoise
from pathlib import Path
from unnoise.batch.one_file import denoise_file
torch.set_num_threads(1)
model, (first, *rest) = unnoise.load(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir())
denoise_file(model, first, Path(sys.argv[3]) / first.name)  # warms up
for file in rest:
    began = time.process_time()
    denoise_file(model, file, Path(sys.argv[3]) / file.name)
    print(time.process_time() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, nargs="?", help="the folder src of the other checkout")
    parser.add_argument("--kind", choices=SIZES, default="thumbnails")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--model", default="default")
    parser.add_argument("--workers", type=int, nargs="+", default=[0], help="0: as the command chooses")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--share", action="store_true", help="also measure which share of the time is the network's")
    parser.add_argument("--each", action="store_true", help="only the processor seconds of one picture, in one thread")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    this = Path(__file__).resolve().parents[1] / "src"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        noisy = Path(folder) / "noisy"
        make(noisy, options.kind, options.count)
        if options.each:
            for number, source in enumerate(filter(None, (options.before, this))):
                (Path(folder) / str(number)).mkdir()
                print(f"{source}: {each(source, noisy, Path(folder) / str(number), options.model):.3f} s")
            return
        for turn in range(options.repeats):
            first: Path | None = None
            before = None
            builds = [("before", options.before.resolve(), 0)] if options.before else []
            for name, source, workers in [*builds, *(("this", this, count) for count in options.workers)]:
                out = Path(folder) / f"{name}-{workers}-{turn}"
                row = {"build": name, "workers": workers, "pictures": options.count} | run(
                    source, noisy, out, options.model, workers if name == "this" else None
                )
                before = row["seconds"] if name == "before" else before
                row["ratio"] = before / row["seconds"] if before else float("nan")
                row["alike"] = same(first, out) if first else options.count
                row["load"] = os.getloadavg()[0]
                first = first or out
                tell(row, head=not rows)
                rows.append(row)
    for workers in options.workers:
        some = [row["ratio"] for row in rows if row["build"] == "this" and row["workers"] == workers]
        print(f"workers {workers}: median ratio {median(some):.2f}")
    if options.share:
        print(f"network: {network_share(options.model, options.kind):.0%} of the processor time")
    keep(rows, options.out)


def make(folder: Path, kind: str, count: int) -> None:
    """So many JPEGs of this kind, each with other noise."""
    folder.mkdir()
    height, width = SIZES[kind]
    base = picture(height, width)
    for number in range(count):
        shifted = np.roll(base, (7 * number, 13 * number), (0, 1))
        images.write(folder / f"{number:05d}.jpg", images.Picture(shifted))


def run(source: Path, noisy: Path, out: Path, model: str, workers: int | None) -> Row:
    """Denoise the folder: seconds, processor seconds, and pictures a second."""
    command = [sys.executable, "-c", RUN, "denoise", str(noisy), "-o", str(out), "--model", model]
    command += ["--workers", str(workers)] if workers else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(source)}
    )
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = len(list(out.glob("*.jpg")))
    return {"seconds": seconds, "processor": processor, "a second": count / seconds}


def each(source: Path, noisy: Path, out: Path, model: str) -> float:
    """The median of the processor seconds that a picture takes, after the first one."""
    command = [sys.executable, "-c", EACH, model, str(noisy), str(out)]
    env = os.environ | {"PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
    return median(map(float, subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.split()))


def same(one: Path, other: Path) -> int:
    """How many results agree in all bytes."""
    names = [path.name for path in one.glob("*.jpg")]
    return len(filecmp.cmpfiles(one, other, names, shallow=False)[0])


def network_share(model: str, kind: str, pictures: int = 5) -> float:
    """The share of one process's time within the network's passes."""
    import torch

    import unnoise
    from unnoise.batch.one_file import denoise_file
    from unnoise.inference.chain import Chain

    torch.set_num_threads(1)
    loaded = unnoise.load(model)
    within = [0.0]
    restore = Chain.restore

    def timed(*arguments: object) -> torch.Tensor:
        began = time.process_time()
        try:
            return restore(*arguments)
        finally:
            within[0] += time.process_time() - began

    with tempfile.TemporaryDirectory() as folder:
        noisy = Path(folder) / "noisy"
        make(noisy, kind, pictures + 1)
        began = 0.0
        for number, file in enumerate(sorted(noisy.iterdir())):
            if number == 1:  # the first one warms up
                Chain.restore, began, within[0] = timed, time.process_time(), 0.0  # type: ignore[method-assign]
            denoise_file(loaded, file, Path(folder) / file.name)
        Chain.restore = restore  # type: ignore[method-assign]
        return within[0] / (time.process_time() - began)


if __name__ == "__main__":
    main()
