"""Compare what `unnoise.inspect` finds in noisy pictures with their clean versions, and its advice with a sweep.

    python benchmarks/inspection.py --data sidd-val:DIR polyu:DIR --out inspect.csv
    python benchmarks/inspection.py --data … --sweep --model ap-bsn --first 2 --every 4

With `--sweep`, each picture is also restored at every stride, or with every blind spot, of the model.

Cameras smooth plain surfaces more than textures, so there are two true noise levels. One is the residual noisy − clean
over the whole picture. The other is the residual in the half of the picture where the clean picture varies least. Its
coarse part (a Gaussian of 16 pixels) is subtracted, because light that changed between the shots is not noise.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian

import unnoise
from crops import middle
from rows import keep, tell
from unnoise import denoisers, recipes
from unnoise.denoisers.tunable_network import has_tunable_blind_spot
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.noise import NoiseReport

Array = NDArray[Any]
STRIDES = (1, 2, 3)
DIAMONDS = (1, 2, 3, 4, 5, 6)
HOLES = (1, 3, 5, 7, 9)
_COARSE, _NEAR = 16, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--first", type=int, default=0, help="index of the first picture of each set")
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    parser.add_argument("--crop", type=int, help="side in pixels of the middle that is cut out of each picture")
    parser.add_argument("--sweep", action="store_true", help="denoise at each stride or blind spot of --model")
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    model = unnoise.load(options.model) if options.sweep else None
    every: list[dict[str, Any]] = []
    for data in options.data:
        pictures = DataSet(data, open_set(data).entries[options.first :: options.every])
        rows = []
        for pair in pictures:
            if pair.clean is None:
                raise SystemExit(f"{pair.name} has no clean picture to check against.")
            noisy, clean = (middle(picture, options.crop) for picture in (pair.noisy, pair.clean))
            row = {"data": data.partition(":")[0], "name": pair.name, **check(noisy, clean)}
            if model:
                row |= sweep(model, noisy, clean)
            rows.append(row)
            tell(row)
        summarise(data, rows)
        every += rows
    if len(options.data) > 1:
        summarise("all", every)
    keep(every, options.out)


def check(noisy: Array, clean: Array) -> dict[str, Any]:
    """Levels of 255, correlations at one and two pixels: found, and true twice over."""
    start = time.perf_counter()
    report = unnoise.inspect(noisy)
    seconds = time.perf_counter() - start
    residual = noisy.astype(float) - clean
    row: dict[str, Any] = {
        "level": 255 * (report.level or 0.0),
        "lag1": report.lag(1),
        "lag2": report.lag(2),
        "curve_error": curve_error(report, residual, clean),
        "detail": report.detail,
        "train_stride": report.advice.train_stride if report.advice else None,
        **{
            kind: getattr(report.advice, kind) if report.advice else None
            for kind in ("infer_stride", "infer_hole", "infer_diamond")
        },
        "fits": report.advice.model_fits if report.advice else None,
        "seconds": seconds,
    }
    for kind, values, mask in (("whole", residual - residual.mean((0, 1)), None), ("flat", *flat(residual, clean))):
        kept = np.ones(clean.shape[:2], bool) if mask is None else mask
        row[f"level_{kind}"] = float(values[kept].std())
        for lag in (1, 2):
            row[f"lag{lag}_{kind}"] = correlation(values, kept, lag)
    return row


def flat(residual: Array, clean: Array) -> tuple[Array, Array]:
    """The residual without its coarse part, and where the clean picture varies less than in half of it."""
    blur = {"channel_axis": -1, "preserve_range": True}
    smooth = gaussian(clean.astype(float), _NEAR, **blur)
    activity = np.sqrt(np.maximum(gaussian(clean.astype(float) ** 2, _NEAR, **blur) - smooth**2, 0)).mean(axis=2)
    return residual - gaussian(residual, _COARSE, **blur), activity <= np.median(activity)


def correlation(residual: Array, mask: Array, lag: int) -> float:
    """Of pixels `lag` apart, both in the mask, along rows and columns."""
    values = residual * mask[..., None]
    pairs = [(np.s_[lag:], np.s_[:-lag]), (np.s_[:, lag:], np.s_[:, :-lag])]
    means = [(values[a] * values[b]).sum() / (mask[a] & mask[b]).sum() for a, b in pairs]
    return float(np.mean(means) / ((values**2).sum() / mask.sum()))


def curve_error(report: NoiseReport, residual: Array, clean: Array) -> float:
    """Median relative error of the level at the deciles of the clean picture's brightness, over all channels."""
    errors = []
    for c, channel in enumerate(report.channels):
        edges = np.unique(np.quantile(clean[..., c], np.linspace(0.1, 0.9, 9)))
        place = np.searchsorted(edges, clean[..., c])
        for decile in np.unique(place):
            inside = place == decile
            true = residual[..., c][inside].std()
            if inside.sum() >= 500 and true > 0:
                found = np.interp(clean[..., c][inside].mean() / 255, channel.brightness, channel.sigma) * 255
                errors.append(abs(found / true - 1))
    return float(np.median(errors)) if errors else float("nan")


def sweep(model: unnoise.Model, noisy: Array, clean: Array) -> dict[str, Any]:
    """PSNR of the bare model at each stride of PD, or size of its blind spot, and as its recipe has it; and of the
    noisy picture."""
    if "infer_stride" in type(model.recipe.scheme).model_fields:
        kind, sizes = "infer_stride", STRIDES
        changes: Any = {size: {"scheme.infer_stride": size} for size in sizes}
    elif has_tunable_blind_spot(model.network):
        kind, sizes = ("infer_diamond", DIAMONDS) if denoisers.name_of(model.network) == "tmbsn" else ("infer_hole", HOLES)
        changes = {size: {"scheme": {"name": "tunable-blind-spot", "infer_hole": size}} for size in sizes}
    else:
        raise SystemExit("This model has neither a stride nor a blind spot to sweep.")
    row: dict[str, Any] = {"swept": kind, "psnr_noisy": psnr(noisy, clean), "psnr_own": psnr(model.denoise(noisy), clean)}
    for size, change in changes.items():
        variant = unnoise.Model(model.network, recipes.load(model.recipe, change))
        row[f"psnr_{size}"] = psnr(variant.denoise(noisy, refine=False), clean)
    return row


def psnr(picture: Array, clean: Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - clean) ** 2)))


def summarise(name: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{name}: {len(rows)} pictures; {np.median([row['seconds'] for row in rows]):.2f} s each")
    for kind in ("whole", "flat"):
        level = np.array([row["level"] / row[f"level_{kind}"] - 1 for row in rows])
        lags = [np.array([row[f"lag{lag}"] - row[f"lag{lag}_{kind}"] for row in rows]) for lag in (1, 2)]
        parts = [
            f"level {np.median(abs(level)):.1%} (signed {np.median(level):+.1%}, 90 % within {np.quantile(abs(level), 0.9):.0%})"
        ]
        parts += [
            f"lag {lag} {np.median(abs(error)):.3f} (signed {np.median(error):+.3f}, 90 % within {np.quantile(abs(error), 0.9):.2f})"
            for lag, error in zip((1, 2), lags, strict=True)
        ]
        print(f"  median error against the {kind} truth: " + "; ".join(parts))
    print(f"  curve: median of the pictures' median errors {np.nanmedian([row['curve_error'] for row in rows]):.1%}")
    strides, counts = np.unique([row["train_stride"] or 0 for row in rows], return_counts=True)
    print("  training strides advised: " + ", ".join(f"{s}: {n}" for s, n in zip(strides, counts, strict=True)))
    if "psnr_1" in rows[0]:
        summarise_sweep([row for row in rows if row["infer_stride"]])


def summarise_sweep(rows: list[dict[str, Any]]) -> None:
    kind = rows[0]["swept"]
    sizes = [int(name.removeprefix("psnr_")) for name in rows[0] if name.removeprefix("psnr_").isdigit()]
    scores = np.array([[row[f"psnr_{size}"] for size in sizes] for row in rows])
    best = scores.max(axis=1)
    advised = np.array([row[kind] for row in rows])
    chosen = scores[np.arange(len(rows)), [int(np.argmin(np.abs(np.array(sizes) - size))) for size in advised]]
    tables = {"advised": chosen} | {f"always {size}": scores[:, place] for place, size in enumerate(sizes)}
    tables["as the recipe has it"] = np.array([row["psnr_own"] for row in rows])
    for label, values in tables.items():
        lost = best - values
        print(
            f"  {kind} {label}: mean {values.mean():.2f} dB, the best or better {np.mean(lost <= 0):.0%}, "
            f"within 0.2 dB of it {np.mean(lost <= 0.2):.0%}, mean loss {lost.mean():.2f} dB"
        )
    matrix = [[int(np.sum((scores.argmax(axis=1) == place) & (advised == a))) for a in sizes] for place in range(len(sizes))]
    print(f"  best (rows) against advised (columns) {sizes}: {matrix}")
    if kind == "infer_stride":
        gain = np.array([row["psnr_2"] - row["psnr_noisy"] for row in rows])
        fits = np.array([row["fits"] for row in rows])
        print(f"  'fits' is right about a gain at stride 2: {np.mean(fits == (gain > 0)):.0%} of {len(rows)}; ", end="")
        print(f"fits but no gain {np.sum(fits & (gain <= 0))}, does not fit but gains {np.sum(~fits & (gain > 0))}")


if __name__ == "__main__":
    main()
