"""How far row noise and dense stars can be restored at all, and how far they are.

    python benchmarks/measurement_limits.py --seeds 5

Row noise: offsets of the rows, as strong as the white noise, on smooth blobs. `filter that knows the spectra` is a Wiener
filter of the rows' means that is given the power of the scene, of the offsets and of the noise at each frequency. Nothing
else tells offsets from the scene, as offsets are the same in all columns. The share is what is left of the offsets'
standard deviation.

Stars: a sky of 200 ± 14 counts. `same window` is the noise of a mean over as many pixels as the model averages where there
are no stars, of which only those of the plain sky count.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from rows import Row, keep, tell

Array = NDArray[Any]
SIDE, NOISE = 256, 50.0
SKY_SIDE, SKY, BLUR = 512, 200.0, 1.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    model = unnoise.load(options.model)
    rows: list[Row] = []
    for seed in range(options.first, options.first + options.seeds):
        oracle, ours = row_noise(model, np.random.default_rng(seed))
        found: Row = {"seed": seed, "rows: filter that knows the spectra": f"{oracle:.0%}", "rows: left": f"{ours:.0%}"}
        alone, _ = stars(model, np.random.default_rng(seed), 0)
        for count in (150, 2000):
            spread, share = stars(model, np.random.default_rng(seed), count)
            found[f"{count} stars: sky"] = f"{spread / alone - 1:+.0%}"
            found[f"{count} stars: same window"] = f"{share**-0.5 - 1:+.0%}"
        rows.append(found)
        tell(found, head=len(rows) == 1)
    keep(rows, options.out)


def row_noise(model: unnoise.Model, draw: np.random.Generator) -> tuple[float, float]:
    """What a filter that knows the spectra leaves of the offsets, and what the model leaves."""
    clean = scene(draw)
    white, offsets = draw.normal(0, NOISE, clean.shape), draw.normal(0, NOISE, (SIDE, 1))
    means = np.fft.fft((clean + white + offsets).mean(1))
    power = np.abs(np.fft.fft(clean.mean(1))) ** 2 / SIDE
    power[0] = np.inf  # the mean of the picture belongs to the scene
    gain = NOISE**2 / (NOISE**2 + power + NOISE**2 / SIDE)
    guess = np.fft.ifft(gain * means).real
    oracle = np.std(offsets[:, 0] - guess) / np.std(offsets)
    with_rows, without = (
        model.denoise(values.clip(0).round().astype(np.uint16)).astype(float)
        for values in (clean + white + offsets, clean + white)
    )
    return float(oracle), float(np.std((with_rows - without).mean(1)) / NOISE)


def scene(draw: np.random.Generator) -> Array:
    """Smooth blobs and edges, 400 to 3000 counts."""
    blobs = gaussian_filter(draw.random((SIDE, SIDE)), 6)
    steps = (gaussian_filter(draw.random((SIDE, SIDE)), 12) > 0.5) * 600.0
    blobs = (blobs - blobs.min()) / (blobs.max() - blobs.min())
    return 400 + 2000 * blobs + gaussian_filter(steps, 1)


def stars(model: unnoise.Model, draw: np.random.Generator, count: int) -> tuple[float, float]:
    """The noise that is left of a sky with stars, in counts, and the share of the picture that is plain sky."""
    sky = np.full((SKY_SIDE, SKY_SIDE), SKY)
    rows, columns = np.mgrid[-8:9, -8:9]
    shape = np.exp(-(rows**2 + columns**2) / (2 * BLUR**2)) / (2 * np.pi * BLUR**2)
    for (row, column), light in zip(
        draw.integers(12, SKY_SIDE - 12, (count, 2)), 10 ** draw.uniform(2.3, 4.2, count), strict=True
    ):
        sky[row - 8 : row + 9, column - 8 : column + 9] += light * shape
    result = model.denoise(draw.poisson(sky).astype(np.uint16)).astype(float)
    plain = sky < SKY + 0.5
    return float(np.std(result[plain] - SKY)), float(plain.mean())


if __name__ == "__main__":
    main()
