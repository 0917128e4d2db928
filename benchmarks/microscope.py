"""Models on a microscope's series that nobody photographed: moving blobs and filaments, few photons, read noise.

    python benchmarks/microscope.py series.npy
    unnoise train series.npy --axes TYX --minutes 8 --out runs/mine
    python benchmarks/microscope.py series.npy --models default tm-bsn runs/mine --out runs/microscope.csv

The first call writes the noisy series, (T, H, W) of uint16 counts. The truth follows from the seed, so the last call
makes it again. The result is the PSNR of all frames in dB, with the range of the clean series as the peak.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from rows import Row, keep, tell

Array = NDArray[Any]
FRAMES, SIDE_PIXELS = 40, 256
BLOBS, FILAMENTS = 30, 12
GAIN_COUNTS, OFFSET_COUNTS = 2.0, 100.0
"""Counts for an electron, and counts without light."""
READ_ELECTRONS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=Path, help="the noisy series; written if it is not there")
    parser.add_argument("--models", nargs="*", default=[], help="models: names, files or folders of trainings")
    parser.add_argument("--photons", type=float, default=40.0, help="of the brightest place, without the background")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=4, help="score each frame of this number alone")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    clean = scene(options.seed, options.photons)
    if not options.series.exists():
        np.save(options.series, expose(clean, options.seed))
    noisy = np.load(options.series)[:: options.every]
    truth = OFFSET_COUNTS + GAIN_COUNTS * clean[:: options.every]
    rows: list[Row] = [{"model": "noisy", "PSNR": f"{psnr(noisy, truth):.2f}", "seconds": ""}]
    tell(rows[-1], head=True)
    for name in options.models:
        model = unnoise.load(name)
        started = time.process_time()
        results = np.stack([model.denoise(frame.astype(np.float32)) for frame in noisy])
        spent = (time.process_time() - started) / len(noisy)
        rows.append({"model": name, "PSNR": f"{psnr(results, truth):.2f}", "seconds": f"{spent:.2f}"})
        tell(rows[-1])
    keep(rows, options.out)


def scene(seed: int, photons: float, frames: int = FRAMES, side: int = SIDE_PIXELS) -> NDArray[np.float64]:
    """Electrons of a clean series, (T, H, W): cells that drift and filaments that sway, over a dim background."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    places, drift = draw.uniform(0, side, (BLOBS, 2)), draw.normal(0, 0.4, (BLOBS, 2))
    sizes, light = draw.uniform(2, 10, BLOBS), draw.uniform(0.2, 1, BLOBS)
    starts, angles = draw.uniform(0, side, (FILAMENTS, 2)), draw.uniform(0, np.pi, FILAMENTS)
    bends, waves = draw.uniform(3, 15, FILAMENTS), draw.uniform(0.01, 0.05, FILAMENTS)
    made = []
    for frame in range(frames):
        picture = np.zeros((side, side))
        for place, way, size, strength in zip(places, drift, sizes, light, strict=True):
            y, x = place + frame * way
            picture += strength * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * size**2))
        for (y, x), angle, bend, wave in zip(starts, angles, bends, waves, strict=True):
            along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
            across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
            picture += 0.6 * np.exp(-((across - bend * np.sin(wave * along + 0.05 * frame)) ** 2) / (2 * 1.2**2))
        made.append(gaussian_filter(picture, 0.8))
    series = np.stack(made)
    return photons * series / series.max() + 0.1 * photons


def expose(clean: Array, seed: int) -> NDArray[np.uint16]:
    """Counts of 12 bits as a camera reads them, with photon noise and read noise."""
    draw = np.random.default_rng([seed, 1])
    electrons = draw.poisson(clean) + draw.normal(0, READ_ELECTRONS, clean.shape)
    return np.rint(OFFSET_COUNTS + GAIN_COUNTS * electrons).clip(0, 4095).astype(np.uint16)


def psnr(pictures: Array, truth: Array) -> float:
    """In dB, with the range of the truth as the peak."""
    error = np.mean((pictures.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10((truth.max() - truth.min()) ** 2 / error))


if __name__ == "__main__":
    main()
