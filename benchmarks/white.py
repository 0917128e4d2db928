"""Several models on white noise, as instruments have it, against non-local means that is told the noise level.

    python benchmarks/white.py default fast --out runs/white.csv

The models learned from pictures of cameras. The scenes are pictures of scikit-image, 256 pixels a side, taken with a
simulated camera without a color filter (`noise.Camera`). There are three kinds: color, coded for display, 8 bits; gray,
linear light, 12 of 16 bits; and photon counts, as floats and in 8 bits. The result is the mean PSNR of the pictures in
dB.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
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
from unnoise.noise import Camera

Array = NDArray[Any]
SIDE = 256
ISO = 800, 3200, 12_800, 51_200
PHOTONS = 1, 5, 20, 100
COLOUR = data.astronaut, data.coffee, data.hubble_deep_field, data.retina
GREY = data.camera, data.cell, data.coins, data.moon
PLAIN: dict[str, Any] = {"demosaic": None, "color_matrix": None, "white_balance": (1, 1, 1), "lens_blur": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one or more models: names or files")
    parser.add_argument("--iso", nargs="*", type=float, default=ISO)
    parser.add_argument("--photons", nargs="*", type=float, default=PHOTONS)
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    models = {name: unnoise.load(name) for name in options.models}
    rows: list[Row] = []
    for about, noisy, clean, top in _pictures(options.iso, options.photons):
        row: Row = about | {"noisy": score(noisy, clean, top)}
        classical = [non_local_means(picture / top, truth) * top for picture, truth in zip(noisy, clean, strict=True)]
        row["non-local means"] = score(classical, clean, top)
        for name, model in models.items():
            row[Path(name).stem] = score([model.denoise(picture) for picture in noisy], clean, top)
        rows.append({key: f"{value:.2f}" if isinstance(value, float) else value for key, value in row.items()})
        tell(rows[-1], head=len(rows) == 1)
    keep(rows, options.out)


def _pictures(iso: list[float], photons: list[float]) -> Iterator[tuple[Row, list[Array], list[Array], float]]:
    """What they are, noisy ones with white at `top`, and clean ones in 0..1."""
    for kind, makers, camera, top in (
        ("colour", COLOUR, Camera(**PLAIN), 255),
        ("grey, linear", GREY, Camera(**PLAIN, gamma=False), 4095),
    ):
        scenes = [middle(maker(), SIDE) / 255 for maker in makers]
        clean = [camera.develop(scene) for scene in scenes]
        for speed in iso:
            taken = camera.model_copy(update={"iso": speed})
            noisy = [rounded(taken.shoot(scene, seed), top) for seed, scene in enumerate(scenes)]
            yield {"pictures": kind, "ISO or photons": f"ISO {speed:g}"}, noisy, clean, top
    scenes = [middle(maker(), SIDE) / 255 for maker in GREY]
    for most in photons:
        counts = [np.random.default_rng(seed).poisson(scene * most) for seed, scene in enumerate(scenes)]
        about = f"up to {most:g}"
        yield {"pictures": "counts, floats", "ISO or photons": about}, [x.astype(np.float32) for x in counts], scenes, most
        eight = [rounded(np.clip(0.8 * x / most, 0, 1), 255) for x in counts]
        yield {"pictures": "counts, 8 bits", "ISO or photons": about}, eight, [0.8 * scene for scene in scenes], 255


def rounded(picture: Array, top: int) -> Array:
    return np.rint(picture * top).astype(np.uint8 if top == 255 else np.uint16)


def non_local_means(noisy: Array, clean: Array) -> Array:
    """With the settings of scikit-image's own example, and the true strength of the noise."""
    sigma = float(np.std(noisy - clean))
    channels = -1 if noisy.ndim == 3 else None
    return denoise_nl_means(
        noisy, h=0.8 * sigma, sigma=sigma, fast_mode=True, patch_size=5, patch_distance=6, channel_axis=channels
    )


def score(restored: list[Array], clean: list[Array], top: float) -> float:
    pairs = zip(restored, clean, strict=True)
    return float(
        np.mean([peak_signal_noise_ratio(truth, np.clip(picture / top, 0, 1), data_range=1) for picture, truth in pairs])
    )


if __name__ == "__main__":
    main()
