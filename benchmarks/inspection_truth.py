"""What the residual noisy − clean of a data set consists of, next to what `unnoise.inspect` finds.

    python benchmarks/inspection_truth.py --data polyu:DIR sidd-val:DIR --every 5 --out truth.csv

The variance of the residual is split into shares:

- *coarse*: its Gaussian average over 16 pixels, which is light that changed between the shots;
- *moved*: what the clean picture's slopes, curvature and fine detail explain in blocks of 32 pixels. These are small
  differences in position, blur and contrast, and not noise. The share that chance explains is taken off; it is found
  with the slopes of another block;
- *plain*: the variance of the rest in the half of the blocks where the clean picture varies least, as if all blocks had
  it;
- *textured*: what the other blocks have more than that. The camera left this noise in textures and removed it from
  plain places.

The table also compares the level that `unnoise.inspect` finds with three others: that of the whole residual, of the
plain half, and of the rest everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from rows import keep
from unnoise.evaluation.datasets import DataSet, open_set

Array = NDArray[Any]
COARSE, FINE, BLOCK = 16, 1.5, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--every", type=int, default=5, help="take every n-th picture")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    every: list[dict[str, Any]] = []
    for data in options.data:
        rows = []
        for pair in DataSet(data, open_set(data).entries[:: options.every]):
            if pair.clean is None:
                raise SystemExit(f"{pair.name} has no clean picture to check against.")
            rows.append({"data": data.partition(":")[0], "name": pair.name, **parts(pair.noisy, pair.clean)})
        print(f"{data}: {len(rows)} pictures; medians")
        for key in list(rows[0])[2:]:
            values = np.array([row[key] for row in rows])
            print(f"  {key}: {np.median(values):.3f} ({np.quantile(values, 0.1):.3f} to {np.quantile(values, 0.9):.3f})")
        for key in ("whole", "plain", "noise"):
            error = np.abs(np.array([row[f"told_over_{key}"] for row in rows]) - 1)
            print(f"  median error of the level against {key}: {np.median(error):.1%}")
        every += rows
    keep(every, options.out)


def parts(noisy: Array, clean: Array) -> dict[str, float]:
    """The shares, and the levels told over the true ones."""
    picture = clean.astype(float)
    residual = noisy.astype(float) - picture
    residual -= residual.mean(axis=(0, 1))
    whole = residual.var()
    coarse = _blurred(residual, COARSE)
    rest = residual - coarse
    slopes = [np.gradient(picture, axis=0), np.gradient(picture, axis=1)]
    forms = [
        *slopes,
        sum(np.gradient(slope, axis=axis) for axis, slope in enumerate(slopes)),
        picture - _blurred(picture, FINE),
    ]
    blocks = _blocks(rest)  # (blocks, pixels, C)
    told, kept = [], []
    explained = np.stack([_blocks(form) for form in forms], axis=-1)  # (blocks, pixels, C, forms)
    order = np.random.default_rng(0).permutation(len(blocks))
    for n in range(len(blocks)):
        before = (blocks[n] ** 2).mean()
        own, chance = (before - (_unexplained(blocks[n], explained[k]) ** 2).mean() for k in (n, order[n]))
        told.append(max(0.0, own - chance))
        kept.append(before - told[-1])
    activity = _blocks(picture).std(axis=1).mean(axis=1)
    quiet = activity <= np.median(activity)
    moved, noise = float(np.mean(told)), np.array(kept)
    plain = float(noise[quiet].mean())
    level = (255 * (unnoise.inspect(noisy).level or 0.0)) ** 2
    return {
        "level_whole": float(np.sqrt(whole)),
        "coarse": float(coarse.var() / whole),
        "moved": moved / whole,
        "plain": plain / whole,
        "textured": float(noise.mean() - plain) / whole,
        "level_of_clean": 255 * (unnoise.inspect(clean).level or 0.0),
        "textured_over_plain": float(np.sqrt(noise[~quiet].mean() / plain)),
        "told_over_whole": float(np.sqrt(level / whole)),
        "told_over_plain": float(np.sqrt(level / plain)),
        "told_over_noise": float(np.sqrt(level / noise.mean())),
    }


def _unexplained(residual: Array, forms: Array) -> Array:
    """What is left of (pixels, C) after least squares on (pixels, C, forms), channel by channel."""
    left = np.empty_like(residual)
    for c in range(residual.shape[1]):
        solution, *_ = np.linalg.lstsq(forms[:, c], residual[:, c], rcond=None)
        left[:, c] = residual[:, c] - forms[:, c] @ solution
    return left


def _blurred(x: Array, sigma: float) -> Array:
    return gaussian_filter(x, (sigma, sigma, 0), mode="nearest")


def _blocks(x: Array) -> Array:
    """(H, W, C) → (blocks, BLOCK², C), whole blocks alone."""
    rows, columns = x.shape[0] // BLOCK, x.shape[1] // BLOCK
    x = x[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, -1)
    return x.transpose(0, 2, 1, 3, 4).reshape(rows * columns, BLOCK**2, -1)


if __name__ == "__main__":
    main()
