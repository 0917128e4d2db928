"""Our BM3D beside the package of its authors: PSNR and processor time, on one core, with the level given.

    pip install bm3d    # its licence is non-commercial
    python benchmarks/classical_bm3d.py --levels 10 25 50

The runs alternate. The last column is the package's time divided by ours.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.noise import Noise

PICTURES = "camera", "coins", "brick", "moon", "grass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", type=float, nargs="+", default=[10, 25, 50], help="of 255")
    parser.add_argument("--side", type=int, default=192)
    options = parser.parse_args()
    import bm3d

    torch.set_num_threads(1)
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    print("picture  level  noisy  ours  package  our seconds  ratio")
    for name in PICTURES:
        clean = getattr(data, name)()[: options.side, : options.side] / 255
        for level in options.levels:
            noisy = clean + np.random.default_rng(0).normal(0, level / 255, clean.shape)
            start = time.process_time()
            ours = BM3D(channels=1)(torch.from_numpy(noisy).float()[None, None], Noise.white(level / 255, 1))[0, 0].numpy()
            middle = time.process_time()
            theirs = bm3d.bm3d(noisy, level / 255, profile)
            end = time.process_time()
            scores = [peak_signal_noise_ratio(clean, each, data_range=1) for each in (noisy, ours.astype(float), theirs)]
            row = "  ".join(f"{score:.2f}" for score in scores)
            print(f"{name}  {level:g}  {row}  {middle - start:.2f}  {(end - middle) / (middle - start):.2f}", flush=True)


if __name__ == "__main__":
    main()
