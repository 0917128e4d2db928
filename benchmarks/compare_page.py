"""Write the page of a comparison from what `unnoise benchmark compare` kept in its folder.

    unnoise benchmark compare --model fast --model bm3d --data polyu:DIR --data sidd-val:DIR --out runs/compare
    python benchmarks/compare_page.py runs/compare docs/results/compare.md --recipes docs/results/recipes.csv --cost cost.txt

Every cell of the folder is a line. An unfinished one counts with the pictures that are done. Nothing is measured here.
`crops.txt` is what `benchmarks/classical_colors.py` printed. `recipes.csv` is explained in `benchmarks/recipe_rows.py`.
`cost.txt` is what `benchmarks/cost.py` printed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import product
from pathlib import Path
from statistics import fmean

import recipe_rows
from unnoise.denoisers import classical_names
from unnoise.evaluation.comparison.published import published_psnr
from unnoise.evaluation.comparison.runner import cell_path
from unnoise.evaluation.comparison.statistics import mean_interval, paired_p_value
from unnoise.evaluation.scoring import Evaluation, ImageScore
from unnoise.models import shipped

Cell = tuple[Evaluation, int, float | None]
"""Scores, parameters, and multiplications for each pixel."""

HEAD = """# Methods compared

Each method on real pictures with truth, by protocol *default*. The noise is measured by the method, not given. Slow
methods were run on some of the pictures, which lie evenly over the set; the column *pictures* counts them. So *gain* and
*to best* are what to compare: the gain is over the noisy input of the same pictures. *To best* is the mean difference from
the best method on the pictures that both have, and *p* how likely chance alone makes it, by a paired permutation test. Its
least value for n pictures is 2 / 2ⁿ. Published figures are of whole data sets. Seconds are processor time of the method
alone for 256×256 pixels, one thread, the methods taking turns (`benchmarks/cost.py`).
`benchmarks/compare_page.py` writes this page.{weights}

```sh
{command}
```

The command goes on with the pictures that are missing. `best`, eight times the work of `default`, has its figures in
[models.md](models.md). MCWNNM takes several times as long as BM3D, and has its figures on crops, below.
"""
RECIPES = """
## Recipes trained here

Each line is one model, trained from the command line on noisy pictures of SIDD validation's scenes 01 to 24, most of them
for a minute or some of one core. So this table shows that a recipe works and what it reaches soon, and **not which method is
best in the end**. That is what the published figures tell, of the papers' whole trainings. PSNR in dB and SSIM by protocol
*default*. In brackets is the number of pictures: blocks of scenes 25 to 30 and pictures of PolyU, evenly chosen. None of
these blocks was trained on, but where a recipe learns from the one picture that it restores. `fast`, `ap-bsn` and the lines
of the page [blind-spot-methods](blind-spot-methods.md) also learned from PolyU's noisy pictures. *Gain* is over the noisy
input of the same pictures, which has 24.90 dB on the 12 blocks and 37.37 on the six pictures. *Trained* is processor time,
but where it says *on the wall*. *Seconds* are processor time of the network at its published size for 256×256 pixels, in
float32 ([how](neighbours.md#what-makes-them-fast)); on the lines of blind-spot-methods, of the small network in bfloat16.
Published figures are of all of SIDD validation, and of PolyU's 100 pictures. The pages in the last column have the commands.

Recipes whose line says *assumes independent noise* stand here to show that they fail where it is not. Noise of phones and
cameras has passed through a color filter and a processor, so that neighbours share it, and these schemes learn to copy what
neighbours share: the best gains 2.9 dB, where `default` gains 13.3. On [drawn scenes with white noise](schemes.md) the same
recipes gain, but for `n2v2-quick`, which needs more steps.

<!-- table recipes -->
<!-- end -->
"""
EXACT = """
## How exact the classical methods are

- **BM3D** beside its authors' package 4.0.3, five pictures of 192×192 at three levels, noise given: −0.10 to +0.20 dB on
  white noise (mean +0.03), −0.11 to +0.27 dB on correlated noise (mean +0.07), and 2.8 to 4.0 times as fast (mean 3.6 and
  3.4): `python benchmarks/classical_bm3d.py`, and with `--correlated`.
- **WNNM** on the usual *C.man*: 32.06, 29.63 and 26.36 dB at levels of 15, 25 and 50, published 32.17, 29.64 and 26.45:
  `python benchmarks/classical_wnnm.py C.man=FILE`.
- **Non-local means, wavelets and total variation** are scikit-image's. The weight of total variation is looked for until
  what is removed has the noise's variance.

[Decisions 97 and 127](../decisions.md) tell more.
"""
WHICH = """
## Which method?

- **A photograph from a phone or camera**: `default`. Its noise is correlated, so methods that take it as white leave
  most of it. `fast` is nearly as good and several times as fast.
- **No learned model wanted**: `bm3d`. It is told the spectrum of the noise that is measured in the picture, so it works on
  correlated noise too. On cameras like PolyU's it comes near `default`; on noisier phone pictures it stays behind.
  `mcwnnm` takes several times as long. The other classical methods take the noise as white.
- **A microscope or telescope with noise that is independent from pixel to pixel**: train on your own pictures.
  `neighbor2neighbor-quick` and `noise2self-quick` need no noise level; see [schemes.md](schemes.md).
- **Pairs of exposures, or clean pictures**: `noise2noise-quick` or `supervised-quick`. With clean pictures nothing else
  comes near, also on correlated noise.
- **Correlated noise and no pairs**: recipes with a large blind spot or with down-sampling, such as `tm-bsn-quick` and
  `ap-bsn-quick`. Those for independent noise would copy it: see [schemes.md](schemes.md).

More on the recipes: [the papers' methods](blind-spot-methods.md), [by minutes of training](speed-training.md),
[neighbouring methods](neighbours.md), and [schemes on simulated noise](schemes.md). A reader who wants one line takes it from
[which method?](../which-method.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--recipes", type=Path, required=True, help="the recorded scores of trained recipes")
    parser.add_argument("--weights", default="", help="which weights the shipped models had, if not those of now")
    parser.add_argument("--cost", type=Path, required=True, help="printed by cost.py: seconds for 256×256 pixels")
    parser.add_argument("--crops", type=Path, nargs="*", default=[], help="printed by classical_colors.py")
    options = parser.parse_args()
    cells = _finished(options.folder)
    cells += _unfinished(options.folder, list(dict.fromkeys(scores.data for scores, _, _ in cells)))
    macs = {scores.model: each for scores, _, each in cells if each}  # for each pixel, so the same on every set
    cells = [(scores, parameters, each or macs.get(scores.model)) for scores, parameters, each in cells]
    sets: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        sets[cell[0].data].append(cell)
    names = dict.fromkeys(scores.model for scores, _, _ in cells)
    command = " ".join(["unnoise benchmark compare", *(f"--model {name}" for name in sorted(names))])
    command += "".join(f" --data {data.partition(':')[0]}:DIR" for data in sets) + " --out runs/compare"
    seconds = _seconds(options.cost)
    text = HEAD.format(command=command, weights=f"\n{options.weights}" if options.weights else "")
    for data, own in sets.items():
        text += "\n" + _section(data, own, seconds)
    text += "".join("\n" + _crops(path) for path in options.crops)
    text = recipe_rows.filled(text + RECIPES + EXACT + WHICH, recipe_rows.read(options.recipes))
    options.page.write_text(text, encoding="utf-8")


def _finished(folder: Path) -> list[Cell]:
    found = []
    for path in sorted((folder / "cells").glob("*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        found.append((Evaluation.from_json(json.dumps(cell["scores"])), cell["parameters"], cell.get("macs_per_pixel")))
    return found


def _unfinished(folder: Path, data: list[str]) -> list[Cell]:
    """The shipped models and classical methods whose pictures are not all done."""
    found = []
    for spec, name in product(data, [*shipped.names(), *classical_names()]):
        journal = cell_path(folder, name, spec).with_suffix(".jsonl")
        lines = journal.read_text(encoding="utf-8").splitlines()[1:] if journal.is_file() else []
        images = [ImageScore.model_validate_json(line) for line in lines]
        if images:
            scores = Evaluation(model=name, data=spec, protocol="default", options={}, images=images)
            found.append((scores, 0, None))
    return found


def _crops(path: Path) -> str:
    """A section from what `classical_colors.py` printed: its first line is the command, its second one names the columns, and
    its last one is the mean."""
    command, head, *lines = path.read_text(encoding="utf-8").splitlines()
    names = head.split()[1:]
    values = [[float(value) for value in line.rsplit(maxsplit=len(names))[1:]] for line in lines]
    table = ["| method | PSNR dB | gain dB | least | largest |", "|---|---|---|---|---|"]
    for column, name in enumerate(names):
        gains = [row[column] - row[0] for row in values[:-1]]
        cells = [""] * 3 if not column else [f"{fmean(gains):+.2f}", f"{min(gains):+.2f}", f"{max(gains):+.2f}"]
        table.append(f"| {f'`{name}`' if column else 'noisy input'} | {values[-1][column]:.2f} | {' | '.join(cells)} |")
    return f"## {len(values) - 1} crops, with the noise of the whole picture\n\n`{command}`\n\n" + "\n".join(table) + "\n"


def _seconds(path: Path) -> dict[str, str]:
    """Of each method, from what `cost.py` printed."""
    lines = [line.split("  ") for line in path.read_text(encoding="utf-8").splitlines()]
    column = next(words.index("seconds") for words in lines if words[0] == "model")
    return {words[0]: f"{float(words[column]):.2f}" for words in lines if len(words) > column and words[0] != "model"}


def _section(data: str, cells: list[Cell], seconds: dict[str, str]) -> str:
    whole = max(cells, key=lambda cell: len(cell[0].images))[0]
    best = max((cell for cell in cells if len(cell[0].images) == len(whole.images)), key=lambda cell: cell[0].restored.psnr)[0]
    truth = {image.name: image.restored.psnr for image in best.images}
    sizes = {image.name: image.pixels for scores, _, _ in cells for image in scores.images if image.pixels}
    pairs = {
        scores.model: [(image.restored.psnr, truth[image.name]) for image in scores.images if image.name in truth]
        for scores, _, _ in cells
    }
    ranked = sorted(cells, key=lambda cell: -fmean(own - other for own, other in pairs[cell[0].model]))
    noisy = mean_interval([image.noisy.psnr for image in whole.images])
    lines = [
        f"## {data.partition(':')[0]}, {len(whole.images)} pictures",
        "",
        "| method | pictures | PSNR dB | 95 % range | gain dB | to best dB | p | SSIM | parameters | GMACs | seconds | published dB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        f"| noisy input | {len(whole.images)} | {noisy.mean:.2f} | {noisy.low:.2f}–{noisy.high:.2f} "
        f"| | | | {whole.noisy.ssim:.3f} | | | | |",
    ]
    for scores, parameters, macs in ranked:
        interval = mean_interval([image.restored.psnr for image in scores.images])
        common = pairs[scores.model]
        apart = "" if scores is best else f"{fmean(own - other for own, other in common):+.2f}"
        p = "" if scores is best or len(common) < 2 else f"{paired_p_value(*zip(*common, strict=True)):.4f}"
        published = published_psnr(scores.model, data)
        pixels = [sizes[image.name] for image in scores.images if image.name in sizes]
        gmacs = f"{macs * fmean(pixels) / 1e9:.3g}" if macs and pixels else ""
        lines.append(
            f"| `{scores.model}` | {len(scores.images)} | {interval.mean:.2f} | {interval.low:.2f}–{interval.high:.2f} "
            f"| {interval.mean - scores.noisy.psnr:+.2f} | {apart} | {p} | {scores.restored.ssim:.3f} | {parameters:,} | {gmacs} "
            f"| {seconds.get(scores.model, '')} | {'' if published is None else f'{published:.2f}'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
