"""Each scheme on simulated noise: white noise, where its assumption holds, and correlated noise, where it does not.

    python benchmarks/schemes.py --out runs/schemes --steps 400 --small
    python benchmarks/schemes.py --out runs/schemes --steps 400 --small --table docs/results/schemes.md

The scenes are dead leaves, 256 pixels a side, in 8 bits. The noise has the standard deviation 25 of 255 in both kinds;
correlated noise is white noise blurred over about two pixels. What
is there already is not made again. All recipes get the same number of steps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise import evaluate, images, train
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.simulation.cameras import downscale
from unnoise.simulation.dead_leaves import dead_leaves
from unnoise.simulation.palettes import palette

RECIPES = (
    "noise2void-quick",
    "n2v2-quick",
    "noise2self-quick",
    "neighbor2neighbor-quick",
    "blind2unblind-quick",
    "zs-n2n",
    "r2r-quick",
    "noise2noise-quick",
    "supervised-quick",
)
WITH_TARGETS = {"noise2noise-quick": "second", "supervised-quick": "clean"}
SMALL = {"training.crop": 64, "training.batch": 4, "training.learning_rate": 2e-3}
KINDS = "white", "correlated"
SIGMA = 25 / 255
BLUR_PIXELS = 0.8
SIDE = 256
TRAINED, SCORED = 48, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, models and scores")
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--small", action="store_true", help="networks of 12 features and crops of 64 pixels")
    parser.add_argument("--zero-shot", type=int, nargs=2, default=[3, 2000], help="pictures and steps of ZS-N2N on each")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--table", type=Path, help="write the table of what is there, and train nothing")
    options = parser.parse_args()
    if options.table:
        write_table(options.out, options.table, options.steps, options.small, options.zero_shot)
        return
    for kind in KINDS:
        make_pictures(options.out / "data" / kind, kind)
    for recipe in options.recipes:
        for kind in KINDS:
            run(options.out, recipe, kind, options.steps, options.small, options.zero_shot)


def make_pictures(folder: Path, kind: str) -> None:
    """Scenes with noise: `train/` and `test/`, each with `noisy/`, `second/` (another exposure) and `clean/`."""
    for part, count, first in (("train", TRAINED, 0), ("test", SCORED, 10_000)):
        for number in range(count):
            target = folder / part / "clean" / f"{number:03d}.png"
            if target.is_file():
                continue
            draw = np.random.default_rng([first, number])
            clean = np.clip(downscale(dead_leaves(2 * SIDE, palette(64, draw), draw), 2), 0, 1)
            noises = [noise(clean.shape, kind, draw) for _ in range(2)]
            for name, picture in (("noisy", clean + noises[0]), ("second", clean + noises[1]), ("clean", clean)):
                path = folder / part / name / target.name
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
                images.write(path, images.Picture(pixels), overwrite=True)


def noise(shape: Sequence[int], kind: str, draw: np.random.Generator) -> NDArray[Any]:
    """(H, W, C) with the standard deviation `SIGMA`."""
    field = draw.normal(0, 1, shape)
    if kind == "correlated":
        field = gaussian_filter(field, (BLUR_PIXELS, BLUR_PIXELS, 0), mode="wrap")
    return SIGMA * field / field.std()


def run(out: Path, recipe: str, kind: str, steps: int, small: bool, zero_shot: Sequence[int]) -> None:
    """Train and score one model."""
    data, model, scores = out / "data" / kind, out / "models" / f"{recipe}-{kind}", out / "scores" / f"{recipe}-{kind}.json"
    if scores.is_file():
        return
    changes = SMALL | ({"denoiser.features": 12} if recipe.startswith(("noise2void", "n2v2")) else {"denoiser.width": 12})
    options: dict[str, Any] = {"overrides": changes if small else {}, "steps": steps, "device": "cpu", "compare": False}
    noisy = sorted((data / "train" / "noisy").iterdir())
    if recipe in WITH_TARGETS:
        options["targets"] = sorted((data / "train" / WITH_TARGETS[recipe]).iterdir())
    if recipe == "zs-n2n":  # it learns from the one picture that it restores
        pairs = open_set(f"pairs:{data / 'test'}").spread(zero_shot[0])
        options |= {"overrides": {}, "steps": zero_shot[1]}
        results = []
        for entry in pairs.entries:
            made = train([entry.noisy], recipe, output=model / entry.name, resume=_begun(model / entry.name), **options)
            results.append(evaluate(made, DataSet(pairs.name, [entry])))
        found = [(one.noisy.psnr, one.restored.psnr) for one in results]
    else:
        made = train(noisy, recipe, output=model, resume=_begun(model), **options)
        result = evaluate(made, f"pairs:{data / 'test'}")
        found = [(one.noisy.psnr, one.restored.psnr) for one in result.images]
    scores.parent.mkdir(parents=True, exist_ok=True)
    noisy_db, restored_db = np.mean(found, axis=0)
    scores.write_text(json.dumps({"noisy": noisy_db, "restored": restored_db}))
    print(f"{recipe}, {kind}: {noisy_db:.2f} → {restored_db:.2f} dB", flush=True)


def _begun(folder: Path) -> bool:
    return (folder / "checkpoint.pt").is_file()


def write_table(out: Path, path: Path, steps: int, small: bool, zero_shot: Sequence[int]) -> None:
    """The gains of all scored models, in Markdown."""
    size = "12 features, crops of 64 pixels, four a batch, a rate of 0.002" if small else "the recipes as they are"
    lines = [
        "# Schemes on simulated noise",
        "",
        f"{steps:,} steps of each recipe, {size}; ZS-N2N:",
        f"{zero_shot[1]:,} steps on each picture, here {zero_shot[0]}. The scenes are dead leaves, with noise of 25 of 255.",
        f"PSNR of the noisy input and gain of the model in dB, mean of {SCORED} pictures that were not trained on. White noise",
        "is independent from pixel to pixel, as all but R2R and the schemes with pairs assume; correlated noise is blurred over",
        "about two pixels.",
        "`benchmarks/schemes.py` makes the pictures, trains, scores, and writes this page. Recipes without a row, and empty",
        "cells, are not measured yet. So short a run shows where a scheme works, and not how good it becomes.",
        "",
        "| recipe | white: noisy | gain | correlated: noisy | gain |",
        "|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        cells = []
        for kind in KINDS:
            scores = out / "scores" / f"{recipe}-{kind}.json"
            if not scores.is_file():
                cells += ["", ""]
                continue
            found = json.loads(scores.read_text())
            cells += [f"{found['noisy']:.2f}", f"{found['restored'] - found['noisy']:+.2f}"]
        if any(cells):
            lines.append(f"| `{recipe}` | {' | '.join(cells)} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
