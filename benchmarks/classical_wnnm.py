"""Our WNNM on pictures that its papers use, with the level given, beside the published figures.

    pip download bm3d==4.0.3 --no-deps --no-binary :all:    # its examples have cameraman256.png and image_Lena512rgb.png
    python benchmarks/classical_wnnm.py C.man=cameraman256.png --levels 25 50

The `camera` of scikit-image is another photograph, of 512×512 pixels, and none of the usual pictures is among its data.
Published figures of a name are printed where the table below has them. Noise is drawn anew, so hundredths may differ.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pyvips
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.noise import Noise
from unnoise.denoisers.classical.wnnm import WNNM

PUBLISHED = {
    "C.man": {15: (31.91, 32.17), 25: (29.45, 29.64), 50: (26.13, 26.45)},
    "Lena": {15: (34.26, 34.27), 25: (32.07, 32.24), 50: (29.05, 29.25)},
}
"""dB of BM3D and WNNM, by the level: Zhang et al. (DnCNN), IEEE TIP 2017, table 2."""
METHODS = {"bm3d": BM3D, "wnnm": WNNM}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--levels", type=int, nargs="+", default=[15, 25, 50], help="of 255")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("picture  level  method  ours dB  published dB  processor seconds")
    for name, file in (picture.split("=", 1) for picture in options.pictures):
        clean = gray(Path(file))
        for level in options.levels:
            noisy = clean + level / 255 * np.random.default_rng(options.seed).normal(0, 1, clean.shape)
            for number, (method, kind) in enumerate(METHODS.items()):
                start = time.process_time()
                found = kind(channels=1)(torch.from_numpy(noisy).float()[None, None], Noise.white(level / 255, 1))[0, 0]
                seconds = time.process_time() - start
                score = peak_signal_noise_ratio(clean, found.double().numpy(), data_range=1)
                told = PUBLISHED.get(name, {}).get(level)
                print(f"{name}  {level}  {method}  {score:.2f}  {told[number] if told else '-'}  {seconds:.0f}", flush=True)


def gray(file: Path) -> np.ndarray:
    """The picture in 0..1; of a color one the luma, as its papers take it."""
    values = pyvips.Image.new_from_file(str(file)).numpy()
    return (rgb2ycbcr(values)[..., 0] if values.ndim == 3 and values.shape[-1] >= 3 else values.squeeze()) / 255


if __name__ == "__main__":
    main()
