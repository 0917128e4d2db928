"""Crops per second of a store that `unnoise data prepare` made, beside decoding the same crops from PNG.

    python benchmarks/prepared_crops.py sidd-val:DIR

Both give the crops in one random order, as arrays. Times are of the processor, in turns, on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from unnoise import images
from unnoise.evaluation.datasets import open_set
from unnoise.evaluation.datasets.preparing import prepare
from unnoise.training.crop_store import CropStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="as SET:DIR")
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(open_set(options.data).spread(options.pictures), folder / "store", crop=options.crop)
        pool, _ = CropStore(folder / "store").pools(3, with_clean=False)
        stored = CropStore(folder / "store").noisy
        files = [folder / f"{number}.png" for number in range(len(stored))]
        for path, crop in zip(files, stored, strict=True):
            images.write(path, images.Picture(np.array(crop)))
        order = np.random.default_rng(0).permutation(len(files))
        whole = slice(0, options.crop)
        times: dict[str, list[float]] = {"PNG": [], "store": []}
        for _ in range(options.rounds):
            start = time.process_time()
            decoded = [images.read(files[place]).pixels for place in order]
            middle = time.process_time()
            mapped = [np.array(pool.piece(int(place), whole, whole)) for place in order]
            end = time.process_time()
            times["PNG"].append(middle - start)
            times["store"].append(end - middle)
        assert all(np.array_equal(one, other) for one, other in zip(decoded, mapped, strict=True))
        rates = {name: len(files) / median(each) for name, each in times.items()}
        print("crops of", options.crop, "pixels:", ", ".join(f"{name} {rate:,.0f} a second" for name, rate in rates.items()))
        print(f"ratio {rates['store'] / rates['PNG']:.1f}")


if __name__ == "__main__":
    main()
