"""MCWNNM and BM3D beside a model on crops of real pictures, with the noise that is measured in the whole picture.

    python benchmarks/classical_colors.py polyu:DIR --pictures 12 --side 96
    python benchmarks/classical_colors.py polyu:DIR --pictures 100 --side 128 --methods bm3d --minutes 5
    python benchmarks/classical_colors.py polyu:DIR --pictures 100 --methods mcwnnm --model default --minutes 5

PSNR in dB of the noisy crop and of each result, and the means. Crops keep it short: MCWNNM takes a minute for 512×512
pixels on one core. A model restores the whole picture, of which the crop is taken.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray

import unnoise
from crops import middle
from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.mcwnnm import MCWNNM
from unnoise.denoisers.classical.noise import measure
from unnoise.evaluation.comparison.picture_journal import spread_order
from unnoise.evaluation.datasets import open_set
from unnoise.evaluation.datasets.base import read_pair
from unnoise.images.pixels import to_unit_float
from unnoise.regions import RegionSource

METHODS = {"bm3d": BM3D, "mcwnnm": MCWNNM}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set with truth, as polyu:DIR")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="stop after this time; crops lie evenly over the set"
    )
    parser.add_argument("--model", help="of a model that is compared")
    options = parser.parse_args()
    model = unnoise.load(options.model) if options.model else None
    torch.set_num_threads(1)
    print("python benchmarks/classical_colors.py", options.data.partition(":")[0] + ":DIR", *sys.argv[2:])
    print("picture", "noisy", *options.methods, *([options.model] if model else []), sep="  ")
    scores = []
    chosen = open_set(options.data).spread(options.pictures)
    begin = time.monotonic()
    for place in spread_order(len(chosen)):
        if time.monotonic() - begin > options.minutes * 60:
            break
        pair = read_pair(chosen.entries[place])
        assert pair.clean is not None
        noisy, clean = to_unit_float(pair.noisy), to_unit_float(pair.clean)
        noise = measure(RegionSource.of(planes(noisy)))
        crop, truth = middle(noisy, options.side), middle(clean, options.side)
        row = [psnr(crop, truth)]
        for name in options.methods:
            restored = crop if noise is None else METHODS[name]()(planes(crop), noise)[0].permute(1, 2, 0).numpy()
            row.append(psnr(restored.clip(0, 1), truth))
        if model:
            row.append(psnr(to_unit_float(middle(model.denoise(pair.noisy), options.side)), truth))
        scores.append(row)
        print(pair.name, *(f"{value:.2f}" for value in row), sep="  ", flush=True)
    print(f"mean of {len(scores)}", *(f"{value:.2f}" for value in np.mean(scores, axis=0)), sep="  ")


def planes(pixels: NDArray[np.float32]) -> torch.Tensor:
    """(H, W, C) → (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()


def psnr(picture: NDArray[np.float32], clean: NDArray[np.float32]) -> float:
    return float(-10 * np.log10(np.square(picture.astype(np.float64) - clean).mean()))


if __name__ == "__main__":
    main()
