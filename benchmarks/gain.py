"""How well the estimated gain of a restoration agrees with the true gain, on pictures with a clean version.

    python benchmarks/gain.py default --data sidd-val:DIR polyu:DIR --limit 24 --out gain.csv

Both gains are for the middle of each picture, `--crop` pixels a side, in float32 and without refinement. Bias
correction and the return of detail are as the model's recipe says. Takes one model at a time.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

import unnoise
from crops import middle
from rows import keep, tell
from unnoise import images
from unnoise.evaluation.datasets import open_set
from unnoise.inference.blending import blend
from unnoise.inference.options import DenoiseOptions
from unnoise.inference.pipeline import Pipeline
from unnoise.quality.mc_sure import judge

Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="one model: a name or a file")
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--limit", type=int, default=24, help="number of pictures from each set")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    model = unnoise.load(options.model)
    every: Rows = []
    for data in options.data:
        rows = []
        for pair in open_set(data).spread(options.limit):
            noisy, clean = (images.to_tensor(middle(picture, options.crop))[0] for picture in (pair.noisy, pair.clean))
            rows.append({"data": data.partition(":")[0], "name": pair.name, **check(model, noisy, clean)})
            tell(rows[-1])
        summarise(data, rows)
        every += rows
    if len(options.data) > 1:
        summarise("all", every)
    keep(every, options.out)


def check(model: unnoise.Model, noisy: Tensor, clean: Tensor) -> dict[str, Any]:
    start = time.perf_counter()

    settings = DenoiseOptions(refine=False, precision="float32").settings(model.recipe).of_kind("rgb", torch.uint8)

    def again(x: Tensor) -> Tensor:
        return blend(x, Pipeline(model.network, model.recipe.scheme, settings).restore(x), detail=settings.detail)

    restored = again(noisy)
    found = judge(noisy, restored, again)
    true = psnr(restored.clamp(0, 1), clean) - psnr(noisy, clean)
    return {"true": true, **found.model_dump(), "seconds": time.perf_counter() - start}


def psnr(picture: Tensor, clean: Tensor) -> float:
    return -10 * math.log10(torch.mean((picture - clean) ** 2).item())


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
