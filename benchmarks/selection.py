"""How well criteria without a clean picture rank the checkpoints of a training by their true PSNR.

    python benchmarks/selection.py --out runs/selection --steps 360
    python benchmarks/selection.py --out runs/selection --table docs/results/selection.md

The pictures are those of `benchmarks/schemes.py`: white noise and correlated noise. Each run is judged twelve times, as
`unnoise train --select` does it, on noisy pictures that it did not see. The truth is the PSNR on other pictures. What is
there already is not made again.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from schemes import KINDS, SIGMA, SMALL, make_pictures
from unnoise import evaluate, train
from unnoise.evaluation.datasets import open_set
from unnoise.training import loop
from unnoise.training.selection import NAMES, Selection

METHODS = {
    "neighbor2neighbor-quick": {"denoiser.width": 12},
    "noise2self-quick": {"denoiser.width": 12},
    "blind2unblind-quick": {"denoiser.width": 12},
    "tm-bsn-quick": {"denoiser.features": 8},
}
"""The recipes, and what makes their networks small."""
SCORED = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, models and scores")
    parser.add_argument("--steps", type=int, default=360, help="of each training")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--table", type=Path, help="write the table of what is there, and train nothing")
    options = parser.parse_args()
    if options.table:
        options.table.write_text(table(options.out), encoding="utf-8")
        return
    for kind in options.kinds:
        make_pictures(options.out / "data" / kind, kind)
        for method in options.methods:
            run(options.out, method, kind, options.steps)


def run(out: Path, method: str, kind: str, steps: int) -> None:
    """Train one model, and note the criteria and the true PSNR of twelve states."""
    target, folder = out / f"{method}-{kind}.csv", out / "models" / f"{method}-{kind}"
    if target.is_file():
        return
    truth: dict[int, float] = {}
    test = open_set(f"pairs:{out / 'data' / kind / 'test'}").spread(SCORED)

    class Scored(Selection):
        def check(self, step: int, model: Any) -> None:
            super().check(step, model)
            truth[step] = evaluate(model, test, bounded=False, channels="together").restored.psnr

    loop.Selection = Scored  # type: ignore[misc]
    noisy = sorted((out / "data" / kind / "train" / "noisy").iterdir())
    changes = SMALL | METHODS[method]
    train(
        noisy, method, output=folder, steps=steps, overrides=changes, select="sure", device="cpu", compare=False, start="none"
    )
    with (folder / "criteria.csv").open() as file:
        rows = list(csv.DictReader(file))
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", *NAMES, "psnr"])
        writer.writeheader()
        writer.writerows(row | {"psnr": truth[int(row["step"])]} for row in rows)
    print(f"{method}, {kind}: {min(truth.values()):.2f} to {max(truth.values()):.2f} dB", flush=True)


def rank(rows: list[dict[str, str]], name: str) -> float:
    """Spearman's correlation of a criterion, less being better, with the true PSNR."""
    values, psnr = [-float(row[name]) for row in rows], [float(row["psnr"]) for row in rows]
    if len(rows) < 3 or not np.isfinite(values).all():
        return math.nan
    return float(spearmanr(values, psnr).statistic)


def lost(rows: list[dict[str, str]], name: str | None) -> float:
    """How far the chosen state lies below the best one, in dB; without a criterion the last one is chosen."""
    psnr = [float(row["psnr"]) for row in rows]
    values = [float(row[name]) for row in rows] if name else [-float(row["step"]) for row in rows]
    return max(psnr) - psnr[int(np.nanargmin(values))]


def table(out: Path) -> str:
    found = {}
    for kind in KINDS:
        for method in METHODS:
            if (out / f"{method}-{kind}.csv").is_file():
                with (out / f"{method}-{kind}.csv").open() as file:
                    found[method, kind] = list(csv.DictReader(file))
    heads = [f"| run | steps | PSNR dB | {' | '.join(NAMES)} |", f"|---|---|---|{'---|' * len(NAMES)}"]
    ranks, losses = list(heads), [heads[0].replace("PSNR dB", "last state"), heads[1]]
    for (method, kind), rows in found.items():
        psnr = [float(row["psnr"]) for row in rows]
        cells = " | ".join(f"{rank(rows, name):+.2f}" for name in NAMES)
        ranks.append(f"| `{method}`, {kind} | {rows[-1]['step']} | {min(psnr):.1f} to {max(psnr):.1f} | {cells} |")
        cells = " | ".join(f"{lost(rows, name):.2f}" for name in NAMES)
        losses.append(f"| `{method}`, {kind} | {rows[-1]['step']} | {lost(rows, None):.2f} | {cells} |")
    for kind in KINDS:
        rows = [row for (_, own), each in found.items() if own == kind for row in each]
        if len({method for method, own in found if own == kind}) < 2:
            continue
        cells = " | ".join(f"{rank(rows, name):+.2f}" for name in NAMES)
        ranks.append(f"| all runs, {kind} | | | {cells} |")
    count = sum(map(len, found.values()))
    parts = {"ranks": "\n".join(ranks), "losses": "\n".join(losses)}
    return TEXT.format(count=count, runs=len(found), sigma=round(SIGMA * 255), **parts)


TEXT = """# Choosing a state without clean pictures

`unnoise train --select auto` takes the best state of a run, and not the last one. It looks at noisy pictures alone, which
are held out of the training. `benchmarks/selection.py` compares the criteria: {count} states of {runs} trainings,
small networks, noise of {sigma} of 255 on simulated scenes. Correlated noise is blurred over about two pixels.

Spearman's rank correlation with the true PSNR on other pictures; 1 ranks as the truth does. *All runs* ranks the states of
all methods together.

{ranks}

What it costs to choose by a criterion: dB below the best of the twelve states.

{losses}

Where the last state is the best one, a run shows how criteria rank a quality that rises, and not whether they find the
turning point. They differ where a method copies correlated noise: what hides pixels then prefers the copy, and SURE does
not (`tests/quality/test_reference_free.py` has such a filter). SURE needs the noise to be measured in the picture. So *auto*
takes `sure`.
"""


if __name__ == "__main__":
    main()
