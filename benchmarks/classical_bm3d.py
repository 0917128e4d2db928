"""Our BM3D beside the package of its authors: PSNR and processor time, on one core, with the noise given.

    pip install bm3d    # its licence is non-commercial
    python benchmarks/classical_bm3d.py --levels 10 25 50
    python benchmarks/classical_bm3d.py --levels 10 25 50 --correlated

The runs alternate. The last column is the package's time divided by ours. The level of the white noise is given, or the
spectrum of the correlated noise, which is white noise blurred by a Gaussian of 0.8 pixels.
"""

from __future__ import annotations

import argparse
import time
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.noise import Noise

PICTURES = "camera", "coins", "brick", "moon", "grass"
BLUR_PIXELS = 0.8
RADIUS = 4
"""Of the blur, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", nargs="+", default=PICTURES, help="names of pictures of scikit-image")
    parser.add_argument("--levels", type=float, nargs="+", default=[10, 25, 50], help="of 255")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--first", type=int, nargs=2, default=[0, 0], help="row and column of the crop's first pixel")
    parser.add_argument("--correlated", action="store_true")
    options = parser.parse_args()
    import bm3d

    if not hasattr(np, "trapz"):  # the package asks for a name that NumPy 2.4 dropped
        np.trapz = np.trapezoid
    torch.set_num_threads(1)
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    print("picture  level  noisy  ours  package  our seconds  ratio")
    apart, ratios = [], []
    row, column = options.first
    for name in options.pictures:
        clean = getattr(data, name)()[row : row + options.side, column : column + options.side] / 255
        for level in options.levels:
            sigma = level / 255
            field, kernel = noise(clean.shape, options.correlated)
            noisy = clean + sigma * field
            told = Noise(torch.tensor([sigma], dtype=torch.float64), correlation_of(kernel)[None])
            spectrum = sigma**2 * clean.size * np.abs(np.fft.fft2(kernel, clean.shape)) ** 2 if options.correlated else sigma
            start = time.process_time()
            ours = BM3D(channels=1)(torch.from_numpy(noisy).float()[None, None], told)[0, 0].numpy()
            middle = time.process_time()
            theirs = bm3d.bm3d(noisy, spectrum, profile)
            end = time.process_time()
            scores = [peak_signal_noise_ratio(clean, each, data_range=1) for each in (noisy, ours.astype(float), theirs)]
            apart.append(scores[1] - scores[2])
            ratios.append((end - middle) / (middle - start))
            text = "  ".join(f"{score:.2f}" for score in scores)
            print(f"{name}  {level:g}  {text}  {middle - start:.2f}  {ratios[-1]:.2f}", flush=True)
    print(
        f"ours - package: {min(apart):+.3f} to {max(apart):+.3f} dB, mean {fmean(apart):+.3f}; "
        f"times as fast: {min(ratios):.2f} to {max(ratios):.2f}, mean {fmean(ratios):.2f}"
    )


def noise(shape: tuple[int, ...], correlated: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noise of variance 1, and the kernel of sum of squares 1 that white noise is filtered with, cyclically."""
    white = np.random.default_rng(0).normal(0, 1, shape)
    if not correlated:
        return white, np.ones((1, 1))
    taps = np.exp(-(np.arange(-RADIUS, RADIUS + 1.0) ** 2) / (2 * BLUR_PIXELS**2))
    kernel = np.outer(taps, taps) / np.square(taps).sum()
    return np.fft.ifft2(np.fft.fft2(white) * np.fft.fft2(kernel, shape)).real, kernel


def correlation_of(kernel: NDArray[np.float64]) -> torch.Tensor:
    """The correlation at shifts of 0, 1 … rows and columns of white noise filtered with a kernel, (R, R)."""
    side = len(kernel)
    padded = np.fft.fft2(kernel, (2 * side, 2 * side))
    return torch.from_numpy(np.fft.ifft2(np.abs(padded) ** 2).real[:side, :side].copy())


if __name__ == "__main__":
    main()
