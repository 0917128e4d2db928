"""What `make demo` runs: a noisy picture, the default model, and both side by side with what was taken away.

Without an argument a camera is simulated on a picture that scikit-image ships, so that there is a truth to score against. With a
file (`make demo IN=photo.jpg`) the same is done on that, without scores. The result lies in `demo/`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unnoise
from unnoise import images
from unnoise.simulation.camera import Camera

ISO = 12800
CROP = slice(30, 286), slice(110, 366)
"""The part of the picture that is shown enlarged in the README."""


def simulated() -> tuple[NDArray[Any], NDArray[Any]]:
    """A noisy picture (H, W, 3) uint8 and its truth: the same camera's picture without noise."""
    from skimage import data

    camera = Camera(iso=ISO, jpeg=95)
    clean = data.chelsea()
    return camera.shoot(clean, seed=0), camera.develop(clean)


def side_by_side(*panels: NDArray[Any]) -> NDArray[np.uint8]:
    """Panels (H, W, 3) uint8 beside each other, eight white columns between them."""
    gap = np.full((panels[0].shape[0], 8, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(parts, axis=1)  # (H, n·W + 8·(n − 1), 3)


def residual(noisy: NDArray[Any], restored: NDArray[Any]) -> NDArray[np.uint8]:
    """What was taken away, four times as strong around mid-grey; structure in it would be detail that was lost."""
    return np.clip((noisy.astype(float) - restored) * 4 + 128, 0, 255).astype(np.uint8)


def score(picture: NDArray[Any], truth: NDArray[Any]) -> str:
    """PSNR and SSIM as `unnoise evaluate` computes them, but by scikit-image, so that the demo runs without PyTorch."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    psnr = peak_signal_noise_ratio(truth, picture, data_range=255)
    bell = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # Wang et al., 2004
    ssim = structural_similarity(truth, picture, data_range=255, channel_axis=2, **bell)
    return f"{psnr:.2f} dB PSNR, {ssim:.3f} SSIM"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Denoise a picture with the default model and show before, after and residual."
    )
    parser.add_argument("picture", nargs="?", type=Path, help="a noisy photo; without it, a simulated one")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results (default: demo)")
    options = parser.parse_args()
    truth = None
    if options.picture:
        noisy = images.read(options.picture).pixels
    else:
        noisy, truth = simulated()
    model = unnoise.load("default")
    began = time.perf_counter()
    restored = model.denoise(noisy)
    seconds = time.perf_counter() - began
    options.out.mkdir(exist_ok=True)
    pictures = {"noisy": noisy, "restored": restored}
    shown = [_eight_bits(picture) for picture in (noisy, restored)]
    pictures["before-after-residual"] = side_by_side(*shown, residual(*shown))
    if truth is not None:
        pictures["before-after-crop"] = side_by_side(*(panel[CROP] for panel in shown), truth[CROP])
    for name, picture in pictures.items():
        images.write(options.out / f"{name}.png", images.Picture(picture), overwrite=True)
    height, width = noisy.shape[:2]
    print(f"{width}×{height} pixels in {seconds:.1f} s with {model}")
    if truth is not None:
        print(f"before: {score(noisy, truth)}")
        print(f"after:  {score(restored, truth)}")
    print(f"See {options.out / 'before-after-residual.png'}")


def _eight_bits(picture: NDArray[Any]) -> NDArray[np.uint8]:
    scale = 255 / np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 255
    shown = np.rint(np.clip(picture * scale, 0, 255)).astype(np.uint8)
    shown = shown[..., None] if shown.ndim == 2 else shown  # (H, W, C)
    return np.repeat(shown[..., :1], 3, axis=2) if shown.shape[2] < 3 else shown[..., :3]


if __name__ == "__main__":
    try:
        main()
    except unnoise.UnnoiseError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
