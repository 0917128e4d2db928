"""What a model does to measurements that are fine structure everywhere, with little noise.

    python benchmarks/structured_measurements.py default --out runs/structured.csv

Pictures are 256×256 in 16 bits: grids, stripes, checkers, a zone plate, a slope, disks and their kind. Each row gives
the root mean square error before and after, in counts. A ratio above 1 means that the picture came out worse.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import unnoise
from rows import Row, keep, tell
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.regions import RegionSource

Array = NDArray[np.float64]

SIDE_PIXELS = 256
LOW_COUNTS, HIGH_COUNTS = 10_000, 40_000
SIGMAS_COUNTS = 3, 30, 100, 1000, 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sigmas", type=float, nargs="+", default=list(SIGMAS_COUNTS), help="of the noise, in counts")
    parser.add_argument("--kinds", nargs="+", help="some of the pictures")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.models:
        model = unnoise.load(name)
        for kind, scene in scenes():
            if options.kinds and kind not in options.kinds:
                continue
            clean = LOW_COUNTS + (HIGH_COUNTS - LOW_COUNTS) * scene
            rng = np.random.default_rng(options.seed)
            for sigma in options.sigmas:
                noisy = np.clip(np.rint(clean + sigma * rng.normal(size=clean.shape)), 0, 65_535).astype(np.uint16)
                restored = model.denoise(noisy)
                before, after = (float(np.sqrt(np.mean((x - clean) ** 2))) for x in (noisy, restored))
                rows.append(
                    {
                        "model": name,
                        "picture": kind,
                        "sigma": sigma,
                        "before": before,
                        "after": after,
                        "ratio": round(after / before, 2),
                        "measured": _measured(noisy),
                    }
                )
                tell(rows[-1], head=len(rows) == 1)
    keep(rows, options.out)


def _measured(noisy: NDArray[np.uint16]) -> float:
    """The noise that the bound goes by."""
    found = estimate_noise(RegionSource.of(noisy[None, None].astype(np.float32) / 65_535), coded=False)
    return float("nan") if found is None else found.level * 65_535


def scenes() -> Iterator[tuple[str, Array]]:
    """Names and pictures in 0..1."""
    y, x = np.mgrid[:SIDE_PIXELS, :SIDE_PIXELS].astype(float)
    yield "grid of lines 1 wide each 4", ((x % 4 == 0) | (y % 4 == 0)).astype(float)
    yield "grid of lines 4 wide each 16", ((x % 16 < 4) | (y % 16 < 4)).astype(float)
    yield "stripes of 8", 0.5 + 0.5 * np.sin(2 * np.pi * x / 8)
    yield "slanted stripes of 6", 0.5 + 0.5 * np.sin(2 * np.pi * (x + 0.4 * y) / 6)
    yield "checkers of 4", (x // 4 + y // 4) % 2
    yield "checkers of 2", (x // 2 + y // 2) % 2
    yield "zone plate", 0.5 + 0.5 * np.cos(np.pi * ((x - 128) ** 2 + (y - 128) ** 2) / 400)
    yield "zone plate, fine", 0.5 + 0.5 * np.cos(np.pi * ((x - 128) ** 2 + (y - 128) ** 2) / 256)
    yield "slope", x / SIDE_PIXELS
    yield "waves of 40", 0.5 + 0.25 * np.sin(2 * np.pi * x / 40) + 0.25 * np.sin(2 * np.pi * y / 33)
    yield "disks", _disks(x, y)
    yield "rings", 0.5 + 0.5 * np.sin(2 * np.pi * np.hypot(x - 100, y - 140) / 7)
    yield "plain", np.full_like(x, 0.5)


def _disks(x: Array, y: Array) -> Array:
    rng = np.random.default_rng(9)
    picture = np.zeros_like(x)
    for _ in range(40):
        center, radius = rng.uniform(0, SIDE_PIXELS, 2), rng.uniform(4, 30)
        picture[np.hypot(x - center[0], y - center[1]) < radius] = rng.uniform(0, 1)
    return picture


if __name__ == "__main__":
    main()
