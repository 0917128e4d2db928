"""What neighbouring frames gain on a synthetic calcium movie, and whether what moved, flashed or vanished leaves a ghost.

    python benchmarks/time_series.py --neighbours 0 1 2 --out runs/time_series.csv

Cells lie still, move, jump, vanish and flash over a background that bleaches. Photons are counted with read noise. The
truth is known, so errors are told by place:

- **PSNR** over all frames, with the range of the clean movie as the peak, and its gain over frame by frame.
- **still, moved, gone, flashed**: mean squared error where the scene differs from a neighbouring frame by more than half
  the noise for this reason, as a share of that of frame by frame. Above 1: a ghost.
- **lag**: by how many frames the light of flashing cells comes later than it should, at best correlation.
- **height**: how much of a flash is there in its first frame.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from rows import Row, keep, tell

Array = NDArray[Any]
GAIN_COUNTS, OFFSET_COUNTS, READ_ELECTRONS = 2.0, 100.0, 2.0
"""Counts for an electron, counts without light, and read noise."""
BLEACHING_FRAMES = 110.0
"""After so many frames a share of 1/e of the light is left."""
CELL_SIDE_PIXELS = 38
"""There is a cell for each square of this side."""
KINDS = "still", "moved", "gone", "flashed"
MEASURES = "gain", *KINDS, "lag", "height", "seconds"
REACH_FRAMES = 2
"""A place counts as changed if it differs from one of so many frames on each side."""


@dataclass(frozen=True)
class Movie:
    """A clean movie in counts, (T, H, W), without bleaching too, and what changed where."""

    clean: Array
    unbleached: Array
    changed: dict[str, Array]
    """Kind → (T, H, W) of bool."""
    cells: list[tuple[slice, slice]]
    """The middles of flashing cells that stay where they are."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="a name or a file")
    parser.add_argument("--neighbours", nargs="*", type=int, default=[0, 1, 2], help="on each side; 0 is frame by frame")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--side", type=int, default=192, help="height and width in pixels")
    parser.add_argument("--photons", type=float, default=40.0, help="of a bright cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--series", type=Path, help="write the noisy movie to this .npy file, and do no more")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    movie = make(options.seed, options.frames, options.side, options.photons)
    noisy = expose(movie.clean, options.seed)
    if options.series:
        np.save(options.series, noisy)
        return
    model = unnoise.load(options.model)
    rows: list[Row] = [{"neighbours": "noisy", "PSNR": f"{psnr(noisy, movie.clean):.2f}"} | dict.fromkeys(MEASURES, "-")]
    tell(rows[-1], head=True)
    alone = None
    for count in sorted({0, *options.neighbours}):
        started = time.process_time()
        result = model.denoise(noisy, axes="TYX", neighbours=count, dtype="float32")
        spent = (time.process_time() - started) / len(noisy)
        alone = result if alone is None else alone
        rows.append(row(count, result, alone, movie) | {"seconds": f"{spent:.2f}"})
        tell(rows[-1])
    keep(rows, options.out)


def row(count: int, result: Array, alone: Array, movie: Movie) -> Row:
    """The measures of one result, against frame by frame."""
    found = {"neighbours": count, "PSNR": f"{psnr(result, movie.clean):.2f}"}
    found["gain"] = f"{psnr(result, movie.clean) - psnr(alone, movie.clean):+.2f}"
    errors, before = ((x.astype(np.float64) - movie.clean) ** 2 for x in (result, alone))
    for kind in KINDS:
        where = movie.changed[kind]
        found[kind] = f"{errors[where].mean() / before[where].mean():.2f}" if where.any() else "-"
    lag, height = lag_and_height(result, movie)
    return found | {"lag": f"{lag:+.2f}", "height": f"{height:.2f}"}


def make(seed: int, frames: int, side: int, photons: float) -> Movie:
    """Cells over a smooth and a fine background, all in counts."""
    draw = np.random.default_rng(seed)
    coarse = gaussian_filter(draw.normal(size=(side, side)), 12)
    fine = gaussian_filter(draw.normal(size=(side, side)), 2)
    ground = 0.25 + 0.25 * (coarse - coarse.min()) / np.ptp(coarse) + 0.03 * fine / fine.std()
    parts = {kind: np.zeros((frames, side, side), np.float32) for kind in KINDS}
    parts["still"] += ground
    cells: list[tuple[slice, slice]] = []
    for number in range((side // CELL_SIDE_PIXELS) ** 2):
        kind = KINDS[number % len(KINDS)]
        place, radius = draw.uniform(10, side - 10, 2), draw.uniform(3, 8)
        angle, speed = draw.uniform(0, 2 * np.pi), draw.uniform(0.2, 1.5) if kind == "moved" else 0.0
        start, end = place, draw.uniform(10, side - 10, 2)
        event, jumps = draw.integers(frames // 10, frames - frames // 10), draw.random() < 0.5
        light = draw.uniform(0.15, 0.7) * np.ones(frames)
        if kind == "flashed":
            light += _activity(draw, frames)
            y, x = (round(float(p)) for p in place)
            cells.append((slice(y - 2, y + 3), slice(x - 2, x + 3)))
        for t in range(frames):
            center = start + t * speed * np.array([np.sin(angle), np.cos(angle)])
            if kind == "gone" and t >= event:
                if not jumps:
                    break
                center = end
            parts[kind][t] += light[t] * _disc(side, center % side, radius)
    bleaching = np.exp(-np.arange(frames) / BLEACHING_FRAMES)[:, None, None]
    sharp = {kind: GAIN_COUNTS * photons * gaussian_filter(part, (0, 0.8, 0.8)) for kind, part in parts.items()}
    unbleached = sum(sharp.values(), start=np.zeros((frames, side, side)))
    noise = np.sqrt(GAIN_COUNTS * unbleached * bleaching + (GAIN_COUNTS * READ_ELECTRONS) ** 2) / bleaching
    changed = {kind: _differs(sharp[kind], noise) for kind in KINDS[1:]}
    changed["still"] = ~np.logical_or.reduce(list(changed.values()))
    return Movie(OFFSET_COUNTS + unbleached * bleaching, unbleached, changed, cells)


def expose(clean: Array, seed: int) -> NDArray[np.uint16]:
    """Counts as a camera reads them."""
    draw = np.random.default_rng([seed, 1])
    electrons = draw.poisson((clean - OFFSET_COUNTS) / GAIN_COUNTS) + draw.normal(0, READ_ELECTRONS, clean.shape)
    return np.rint(OFFSET_COUNTS + GAIN_COUNTS * electrons).clip(0, 65535).astype(np.uint16)


def psnr(pictures: Array, truth: Array) -> float:
    """In dB, with the range of the truth as the peak."""
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((pictures.astype(np.float64) - truth) ** 2)))


def lag_and_height(result: Array, movie: Movie) -> tuple[float, float]:
    """By how many frames flashes come late, and how much of a flash is there in its first frame."""
    lags, heights = [], []
    for cell in movie.cells:
        trace, truth = (x[:, cell[0], cell[1]].mean((1, 2)).astype(np.float64) for x in (result, movie.clean))
        steps, true_steps = np.diff(trace), np.diff(truth)
        correlation = np.array([np.sum(steps[2 + k : len(steps) - 2 + k] * true_steps[2:-2]) for k in (-1, 0, 1)])
        bend = correlation[0] - 2 * correlation[1] + correlation[2]
        lags.append(0.5 * (correlation[0] - correlation[2]) / bend)
        onsets = np.flatnonzero(true_steps > 0.5 * true_steps.max())
        heights.append(np.sum(steps[onsets]) / np.sum(true_steps[onsets]))
    return float(np.mean(lags)), float(np.mean(heights))


def _activity(draw: np.random.Generator, frames: int) -> Array:
    """The light of a calcium indicator: it rises at once, and decays."""
    decay, level, trace = np.exp(-1 / draw.uniform(4, 15)), 0.0, []
    for _ in range(frames):
        level = level * decay + (draw.uniform(0.3, 1.2) if draw.random() < 0.04 else 0.0)
        trace.append(level)
    return np.array(trace)


def _disc(side: int, center: Array, radius: float) -> Array:
    rows, columns = np.ogrid[:side, :side]
    return np.exp(-((((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / radius**2) ** 2) / 2)


def _differs(part: Array, noise: Array) -> NDArray[np.bool_]:
    """Where a part of the scene differs from that of a neighbouring frame by more than half the noise."""
    found = np.zeros(part.shape, bool)
    for step in range(1, REACH_FRAMES + 1):
        far = np.abs(part[step:] - part[:-step]) > 0.5 * noise[step:]
        found[step:] |= far
        found[:-step] |= far
    return found


if __name__ == "__main__":
    main()
