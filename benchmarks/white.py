"""White noise, as instruments have it: models that learned on cameras' pictures, against non-local means that knows the noise's strength.

    python benchmarks/white.py default fast --out runs/white.csv

Pictures of scikit-image in colour and in grey, 256 pixels a side, rounded to 8 bits after noise was added; PSNR in dB, the mean over
the pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_nl_means

import unnoise
from crops import middle
from rows import Row, keep, tell

Array = NDArray[Any]
SIDE = 256
SIGMAS = 5, 15, 30, 50
PICTURES = {
    "colour": (data.astronaut, data.coffee, data.hubble_deep_field, data.retina),
    "grey": (data.camera, data.cell, data.coins, data.moon),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files")
    parser.add_argument("--sigmas", nargs="+", type=float, default=SIGMAS, help="standard deviations, in steps of 8 bits")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    models = {name: unnoise.load(name) for name in options.models}
    rows: list[Row] = []
    for kind, makers in PICTURES.items():
        clean = [middle(maker(), SIDE) for maker in makers]
        for sigma in options.sigmas:
            noisy = [shaken(picture, sigma, seed) for seed, picture in enumerate(clean)]
            row: Row = {"pictures": kind, "sigma": sigma, "noisy": score(noisy, clean)}
            row["non-local means"] = score([non_local_means(picture, sigma) for picture in noisy], clean)
            for name, model in models.items():
                row[Path(name).stem] = score([model.denoise(picture) for picture in noisy], clean)
            rows.append({key: f"{value:.2f}" if isinstance(value, float) else value for key, value in row.items()})
            tell(rows[-1], head=len(rows) == 1)
    keep(rows, options.out)


def shaken(picture: Array, sigma: float, seed: int) -> Array:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def non_local_means(noisy: Array, sigma: float) -> Array:
    """With the settings of scikit-image's own example, and the true strength of the noise."""
    restored = denoise_nl_means(
        noisy / 255,
        h=0.8 * sigma / 255,
        sigma=sigma / 255,
        fast_mode=True,
        patch_size=5,
        patch_distance=6,
        channel_axis=-1 if noisy.ndim == 3 else None,
    )
    return np.clip(np.rint(restored * 255), 0, 255).astype(np.uint8)


def score(restored: list[Array], clean: list[Array]) -> float:
    return float(np.mean([peak_signal_noise_ratio(truth, picture) for truth, picture in zip(clean, restored, strict=True)]))


if __name__ == "__main__":
    main()
