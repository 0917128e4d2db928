"""What `--adapt` gains: a model learns on one picture alone, and its result is compared with that of the model before.

    python benchmarks/adapt.py ap-bsn --steps 40 --data polyu:DIR --limit 3 --out adapt.csv
    python benchmarks/adapt.py ap-bsn --steps 40 --pictures RNI15/Dog.png --save adapted

Each picture is cut to its middle, `--crop` pixels a side, and restored without refinement. Where there is a clean
picture, the gain is given in PSNR. `--save` writes the noisy picture and both results side by side, for the eye.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unnoise
from crops import middle
from rows import keep
from unnoise import images
from unnoise.evaluation.datasets import open_set
from unnoise.training.adapt import adapt

Array = NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="one model: a name or a file")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--data", nargs="+", default=[], metavar="SET:DIR")
    parser.add_argument("--limit", type=int, default=3, help="pictures of each set, evenly spread")
    parser.add_argument("--pictures", nargs="+", type=Path, default=[], help="without a clean one")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--save", type=Path, help="folder for noisy, before and after side by side")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    model = unnoise.load(options.model)
    rows = []
    for name, noisy, clean in pictures(options):
        start = time.process_time()
        found = adapt(model, [noisy], steps=options.steps, device="cpu")
        before = model.denoise(noisy, refine=False)
        after = found.model.denoise(noisy, refine=False) if found.rounds else before
        scores = dict.fromkeys(("noisy", "before", "after"), "")
        if clean is not None:
            results = {"noisy": noisy, "before": before, "after": after}
            scores = {kind: f"{psnr(result, clean):.2f}" for kind, result in results.items()}
        row = {"model": Path(options.model).stem, "picture": name, "steps": options.steps, **scores}
        row |= {"rounds": found.rounds, "change": f"{found.change:+.3f}", "seconds": f"{time.process_time() - start:.0f}"}
        rows.append(row)
        print("  ".join(f"{field} {value}" for field, value in row.items()), flush=True)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            beside = images.Picture(np.concatenate([noisy, before, after], axis=1))
            images.write(options.save / f"{row['model']}_{Path(name).stem}.png", beside, overwrite=True)
    keep(rows, options.out)


def pictures(options: argparse.Namespace) -> Iterator[tuple[str, Array, Array | None]]:
    for data in options.data:
        for pair in open_set(data).spread(options.limit):
            clean = None if pair.clean is None else middle(pair.clean, options.crop)
            yield pair.name, middle(pair.noisy, options.crop), clean
    for path in options.pictures:
        yield path.name, middle(images.read(path).pixels, options.crop), None


def psnr(picture: Array, clean: Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - clean) ** 2)))


if __name__ == "__main__":
    main()
