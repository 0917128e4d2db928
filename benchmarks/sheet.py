"""Draw pictures for the eye: the noisy one above, what each model makes of it below, and the clean one where it is known.

    python benchmarks/sheet.py RNI15 --models default --out docs/results/rni15.jpg
    python benchmarks/sheet.py RNI15 --kinds 7 --data sidd-val:DIR polyu:DIR --models BEFORE default --out sheet.jpg

A folder gives the middles of its pictures. `--kinds SEED` adds one picture of each kind of `gain_cases.py`, with the PSNR
of each row in dB.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.metrics import peak_signal_noise_ratio

import unnoise
from crops import middle
from gain_cases import kinds
from unnoise import images

Array = NDArray[Any]
Shown = tuple[str, Array, Array | None]
"""Name, noisy, clean."""
GAP_PIXELS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--kinds", type=int, metavar="SEED")
    parser.add_argument("--data", nargs="*", default=[], metavar="SET:DIR")
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--side", type=int, default=224, help="side of the crops in pixels")
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--limit", type=int, help="number of pictures at most")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    models = [unnoise.load(name) for name in options.models]
    folders = dict(entry.split(":", 1) for entry in options.data)
    drawn = [] if options.kinds is None else _drawn(options.kinds, folders)
    pictures = [*drawn, *_read(options.folder)][: options.limit]
    columns = [column(models, shown, options.side) for shown in pictures]
    tallest = max(each.shape[0] for each in columns)
    columns = [np.pad(each, ((0, tallest - each.shape[0]), (0, 0), (0, 0))) for each in columns]
    rows = [
        np.concatenate(columns[start : start + options.columns], axis=1) for start in range(0, len(columns), options.columns)
    ]
    width = max(row.shape[1] for row in rows)
    filled = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    images.write(options.out, images.Picture(np.concatenate(filled)), overwrite=True)


def _drawn(seed: int, folders: dict[str, str]) -> Iterator[Shown]:
    for number, (kind, draw) in enumerate(kinds(folders).items()):
        yield kind, *draw(np.random.default_rng((seed, number)))


def _read(folder: Path | None) -> Iterator[Shown]:
    for path in images.find_pictures([folder]) if folder else ():
        yield path.stem, images.read(path).pixels, None


def column(models: list[unnoise.Model], shown: Shown, side: int) -> Array:
    """Whole pictures are restored, their middles shown: (rows·side, side, 3)."""
    name, noisy, clean = shown
    parts = []
    for label, picture in [(name, noisy), *[("", model.denoise(noisy)) for model in models], ("clean", clean)]:
        if picture is None:
            continue
        label += "" if clean is None or picture is clean else f" {_psnr(clean, picture):.1f}"
        parts.append(_labelled(framed(_eight_bits(picture, noisy), side), label))
    return np.pad(np.concatenate(parts), ((0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0)))


def _psnr(clean: Array, picture: Array) -> float:
    top = 255 if picture.dtype == np.uint8 else float(clean.max())
    return float(peak_signal_noise_ratio(clean.astype(float), picture.astype(float), data_range=top))


def _eight_bits(picture: Array, noisy: Array) -> Array:
    """As it is shown: (H, W, 3) uint8; counts from the lowest to nearly the highest noisy value."""
    values = picture.reshape(*picture.shape[:2], -1)[..., :3].astype(float)
    if noisy.dtype != np.uint8:
        low, high = np.percentile(noisy, [0.5, 99.5])
        values = (values - low) / max(high - low, 1e-9) * 255
    return np.broadcast_to(np.rint(np.clip(values, 0, 255)), (*values.shape[:2], 3)).astype(np.uint8)


def framed(picture: Array, side: int) -> Array:
    """The middle (side, side, 3), smaller pictures filled up with black."""
    part = middle(picture, side)
    return np.pad(part, ((0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0)))


def _labelled(picture: Array, label: str) -> Array:
    if not label:
        return picture
    image = Image.fromarray(picture)
    drawing = ImageDraw.Draw(image)
    drawing.rectangle(drawing.textbbox((3, 2), label), fill="black")
    drawing.text((3, 2), label, fill="white")
    return np.asarray(image)


if __name__ == "__main__":
    main()
