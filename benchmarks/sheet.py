"""Draw one image with the middle of each picture of a folder: the noisy one above, the restored one below.

python benchmarks/sheet.py RNI15 --model default --out docs/results/rni15.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unnoise
from crops import middle
from unnoise import images

Array = NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--side", type=int, default=224, help="side of the crops in pixels")
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model = unnoise.load(options.model)
    pairs = [pair(model, path, options.side) for path in images.find_pictures([options.folder])]
    rows = [np.concatenate(pairs[start : start + options.columns], axis=1) for start in range(0, len(pairs), options.columns)]
    width = max(row.shape[1] for row in rows)
    filled = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    images.write(options.out, images.Picture(np.concatenate(filled)), overwrite=True)


def pair(model: unnoise.Model, path: Path, side: int) -> Array:
    """The whole picture is restored, its middle shown: (2·side, side, 3)."""
    noisy = images.read(path).pixels
    if noisy.ndim == 2 or noisy.shape[2] == 1:
        noisy = np.repeat(noisy.reshape(*noisy.shape[:2], 1), 3, axis=2)  # (H, W, 3)
    shown = np.concatenate([framed(picture[..., :3], side) for picture in (noisy, model.denoise(noisy))])
    return np.pad(shown, ((0, 4), (0, 4), (0, 0)))


def framed(picture: Array, side: int) -> Array:
    """The middle (side, side, 3), smaller pictures filled up with black."""
    part = middle(picture, side)
    return np.pad(part, ((0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0)))


if __name__ == "__main__":
    main()
