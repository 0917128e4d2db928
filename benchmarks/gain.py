"""How well the estimated gain of a restoration agrees with the true gain, on pictures with a clean version.

    python benchmarks/gain.py default --data sidd-val:DIR polyu:DIR --limit 24 --out gain.csv
    python benchmarks/gain.py --kinds 0 --data sidd-val:DIR polyu:DIR

The first form judges one model on data sets: the middle of each picture, `--crop` pixels a side. The second one judges sixty pictures of
all kinds and several models (see `gain_cases.py`), drawn with this seed; it also counts the verdicts. Both are in float32 and without
refinement. Bias correction and the bound are as the model's recipe says.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import gain_cases
import unnoise
from crops import middle
from rows import keep, tell
from unnoise.evaluation.datasets import open_set

Array = NDArray[Any]
Rows = list[dict[str, Any]]
SAME_DECIBELS = 0.25
"""Smaller gains count as none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="default", help="one model: a name or a file")
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--kinds", type=int, metavar="SEED", help="judge sixty pictures of all kinds instead")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("N", "OF"), help="of these only a part")
    parser.add_argument("--limit", type=int, default=24, help="number of pictures from each set")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    every: Rows = []
    if options.kinds is not None:
        every = list(judged(options.kinds, options.data, *options.part))
        summarise_kinds(every)
        keep(every, options.out)
        return
    model = unnoise.load(options.model)
    for data in options.data:
        rows = []
        for pair in open_set(data).spread(options.limit):
            noisy, clean = (middle(picture, options.crop) for picture in (pair.noisy, pair.clean))
            rows.append({"data": data.partition(":")[0], "name": pair.name, **check(model, noisy, clean)})
            tell(rows[-1])
        summarise(data, rows)
        every += rows
    if len(options.data) > 1:
        summarise("all", every)
    keep(every, options.out)


def check(model: unnoise.Model, noisy: Array, clean: Array) -> dict[str, Any]:
    start = time.perf_counter()
    restored, report = model.denoise(noisy, report=True, refine=False, precision="float32")
    true = psnr(restored, clean) - psnr(noisy, clean)
    found = report.judgement.model_dump(exclude={"spectrum"})
    return {"true": true, **found, "seconds": time.perf_counter() - start}


def judged(seed: int, data: list[str], part: int, of: int) -> Iterator[dict[str, Any]]:
    """The rows of the sixty pictures, or of a part of them."""
    folders = dict(one.split(":", 1) for one in data)
    model_of = gain_cases.models(seed)
    for number, case in enumerate(gain_cases.cases(seed, folders)):
        if number % of != part:
            continue
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            restored, report = model_of(case).denoise(
                case.noisy, report=True, refine=False, precision="float32", **case.options()
            )
        noisy, clean, result = (np.asarray(each, np.float64) for each in (case.noisy, case.clean, restored))
        errors = [max(float(((each - clean) ** 2).mean()), 1e-9) for each in (noisy, result)]
        found = report.judgement.model_dump(exclude={"spectrum", "pictures"})
        row = {"kind": case.kind, "way": case.way, "true": 10 * math.log10(errors[0] / errors[1]), **found}
        yield row | {"noise": math.sqrt(errors[0]), "seconds": time.process_time() - start}
        told = "none" if row["gain"] is None else f"{row['gain']:+.2f} ± {row['uncertainty']:.2f}"
        print(f"{case.kind:20s} {case.way:20s} true {row['true']:+7.2f} dB, estimated {told}; {row['verdict']}", flush=True)


def is_same_sign(estimated: float, true: float) -> bool:
    """Both better, both worse, or both the same to `SAME_DECIBELS`."""
    return estimated * true > 0 or max(abs(estimated), abs(true)) < SAME_DECIBELS


def summarise_kinds(rows: Rows) -> None:
    told = [row for row in rows if row["gain"] is not None]
    right = [is_same_sign(row["gain"], row["true"]) for row in told]
    changed = [row for row in told if row["way"] != "unchanged"]
    print(f"\n{len(rows)} pictures, {len(rows) - len(told)} of them not judged; sign right: {sum(right)} of {len(told)}")
    for kind in ("gain", "shaken", "replayed", "stein"):
        error = np.array([row[kind] - row["true"] for row in told])
        size = abs(error)
        print(
            f"  {kind}: error median {np.median(size):.2f} dB, signed {np.median(error):+.2f}, 90 % within {np.quantile(size, 0.9):.2f}"
        )
    error = np.array([abs(row["gain"] - row["true"]) for row in changed])
    stated = np.array([row["uncertainty"] for row in changed])
    print(f"  of the {len(changed)} changed: median {np.median(error):.2f} dB;", end=" ")
    print(", ".join(f"within {n} times the uncertainty {np.mean(error <= n * stated):.0%}" for n in (1, 2)))
    for row in sorted(told, key=lambda row: -abs(row["gain"] - row["true"]))[:5]:
        print(
            f"  worst: {row['kind']}, {row['way']}: true {row['true']:+.2f} dB, estimated {row['gain']:+.2f}, {row['verdict']}"
        )
    verdicts = sorted({str(row["verdict"]) for row in rows})
    bounds = (-np.inf, -SAME_DECIBELS, SAME_DECIBELS, 3.0, np.inf)
    print("  true gain in dB: " + ", ".join(verdicts))
    for low, high in itertools.pairwise(bounds):
        here = [str(row["verdict"]) for row in rows if low <= row["true"] < high]
        print(
            f"  {low:g} to {high:g}: "
            + ", ".join(f"{verdict} {here.count(verdict)}" for verdict in verdicts if verdict in here)
        )


def psnr(picture: Array, clean: Array) -> float:
    return -10 * math.log10(((picture / 255.0 - clean / 255.0) ** 2).mean())


def summarise(name: str, rows: Rows) -> None:
    told = [row for row in rows if row["gain"] is not None]
    true = np.array([row["true"] for row in told])
    print(f"\n{name}: {len(rows)} pictures, {len(rows) - len(told)} of them not judged")
    for kind in ("gain", "shaken", "replayed"):
        error = np.array([row[kind] for row in told]) - true
        print(
            f"  {kind}: Spearman {spearmanr(true, true + error)[0]:.2f}; error median {np.median(abs(error)):.2f} dB, "
            f"signed {np.median(error):+.2f}, 90 % within {np.quantile(abs(error), 0.9):.2f}"
        )
    error = np.array([row["gain"] for row in told]) - true
    stated = np.array([row["uncertainty"] for row in told])
    shares = ", ".join(f"{n} times {np.mean(abs(error) <= n * stated):.0%}" for n in (1, 2))
    print(f"  within the uncertainty (median {np.median(stated):.2f} dB): {shares}")
    sign = np.mean((np.array([row["gain"] for row in told]) > 0) == (true > 0))
    print(f"  gain or loss told rightly: {sign:.0%}")


if __name__ == "__main__":
    main()
