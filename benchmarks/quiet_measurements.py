"""What a model does to measurements, from next to no noise to much: gain in dB over the noisy picture.

    python benchmarks/quiet_measurements.py default --data ../shared/data --out runs/measurements.csv

Scenes are means of many exposures of PolyU in linear light, at full and half size, stars, filaments and a shade. Noise is
that of photon counts, white, and correlated over neighboring pixels. Rows are kinds of noise. A negative gain means that
the picture came out worse than it went in.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean

import unnoise
from crops import middle
from rows import Row, keep, tell

Array = NDArray[np.float64]

SIDE_PIXELS = 320
MEANS = 9
"""Scenes of PolyU; every third one is taken at half size."""
PHOTONS = 5, 30, 200, 2000, 20_000
SIGMAS = (0.003, 0), (0.01, 0), (0.03, 0), (0.1, 0), (0.01, 1), (0.03, 1)
"""Standard deviation as a share of white, and the blur of the noise in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files")
    parser.add_argument("--data", type=Path, required=True, help="folder with polyu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unbounded", action="store_true", help="what the network alone gives")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    scenes = list(_scenes(options.data, np.random.default_rng(options.seed)))
    rows: list[Row] = []
    for name in options.models:
        model = unnoise.load(name)
        gains: dict[str, list[float]] = {}
        for kind, noisy, clean in _cases(scenes, np.random.default_rng(options.seed)):
            restored = model.denoise(noisy, bounded=False if options.unbounded else None)
            errors = [float(np.mean((np.asarray(x, np.float64) - clean) ** 2)) for x in (noisy, restored)]
            gains.setdefault(kind, []).append(10 * np.log10(errors[0] / errors[1]))
        for kind, values in gains.items():
            rows.append({"model": name, "noise": kind, "mean": f"{np.mean(values):.2f}", "worst": f"{min(values):.2f}"})
            tell(rows[-1], head=len(rows) == 1)
    keep(rows, options.out)


def _scenes(folder: Path, draw: np.random.Generator) -> Iterator[Array]:
    """Scenes in about 0..1, in proportion to light."""
    files = sorted((folder / "polyu").glob("*_mean.JPG"))
    for number, index in enumerate(range(3, len(files), len(files) // MEANS)):
        light = (np.asarray(Image.open(files[index]).convert("RGB")) / 255) ** 2.2
        gray = light.mean(axis=2) / light.mean(axis=2).max()
        yield downscale_local_mean(gray, (2, 2)) if number % 3 == 2 else middle(gray, SIDE_PIXELS)
    stars = np.zeros((SIDE_PIXELS, SIDE_PIXELS))
    stars[tuple(draw.integers(0, SIDE_PIXELS, (2, 120)))] = 0.3 * draw.pareto(1.2, 120) + 0.1
    yield np.clip(0.05 + 8 * gaussian_filter(stars, 1.3), 0, 3)
    threads = np.zeros((SIDE_PIXELS, SIDE_PIXELS))
    for _ in range(25):
        turns = draw.uniform(0, 2 * np.pi) + np.cumsum(0.05 * draw.standard_normal(400))
        steps = np.stack([np.cos(turns), np.sin(turns)])
        places = (draw.uniform(0, SIDE_PIXELS, (2, 1)) + np.cumsum(steps, axis=1)).astype(int)
        inside = ((places >= 0) & (places < SIDE_PIXELS)).all(axis=0)
        np.add.at(threads, tuple(places[:, inside]), 1)
    threads = gaussian_filter(threads, 1.5)
    yield 0.03 + threads / threads.max()
    row, column = np.mgrid[:SIDE_PIXELS, :SIDE_PIXELS] / SIDE_PIXELS
    yield 0.2 + 0.6 * row * column + 0.1 * np.sin(20 * column)


def _cases(scenes: list[Array], draw: np.random.Generator) -> Iterator[tuple[str, NDArray[np.float32 | np.uint16], Array]]:
    """Kind of noise, noisy, clean."""
    for scene in scenes:
        for photons in PHOTONS:
            clean = photons * scene / scene.max()
            yield f"up to {photons} photons", draw.poisson(clean).astype(np.float32), clean
        for sigma, blur in SIGMAS:
            noise = draw.standard_normal(scene.shape)
            noise = gaussian_filter(noise, blur) if blur else noise
            clean = 4000 * scene + 1000  # of 16 bits
            noisy = clean + 4000 * sigma * noise / noise.std()
            kind = f"white, {100 * sigma:g} %" if not blur else f"correlated, {100 * sigma:g} %"
            yield kind, np.rint(noisy).clip(0, 65535).astype(np.uint16), clean


if __name__ == "__main__":
    main()
