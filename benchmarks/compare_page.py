"""Write the page of a comparison from what `unnoise benchmark compare` kept in its folder.

    unnoise benchmark compare --model fast --model bm3d --data polyu:DIR --data sidd-val:DIR --out runs/compare
    python benchmarks/compare_page.py runs/compare docs/results/compare.md --crops crops.txt

Every cell of the folder is a line. An unfinished one counts with the pictures that are done. Nothing is measured here.
`crops.txt` is what `benchmarks/classical_colors.py` printed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import product
from pathlib import Path
from statistics import fmean

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
least value for n pictures is 2 / 2ⁿ. Published figures are of whole data sets. Seconds are per picture, measured beside
other work: they rank the methods and no more.
`benchmarks/compare_page.py` writes this page.

```sh
{command}
```
"""
WHICH = """
## Which method?

- **A photograph from a phone or camera**: `default`. Its noise is correlated, so methods that take it as white leave
  most of it. `fast` is nearly as good and several times as fast.
- **No learned model wanted**: `bm3d`, with the spectrum of the noise that is measured in the picture, or `mcwnnm`, which
  takes several times as long and looks at the colors together. The other classical methods take the noise as white.
- **A microscope or telescope with noise that is independent from pixel to pixel**: train on your own pictures.
  `neighbor2neighbor-quick` and `noise2self-quick` need no noise level; see [schemes.md](schemes.md).
- **Pairs of exposures, or clean pictures**: `noise2noise-quick` or `supervised-quick`. With clean pictures nothing else
  comes near, also on correlated noise.
- **Correlated noise and no pairs**: recipes with a large blind spot or with down-sampling, such as `tm-bsn-quick` and
  `ap-bsn-quick`. Those of the line before last would copy the noise: see [schemes.md](schemes.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--crops", type=Path, nargs="*", default=[], help="printed by classical_colors.py")
    options = parser.parse_args()
    cells = _finished(options.folder)
    cells += _unfinished(options.folder, list(dict.fromkeys(scores.data for scores, _, _ in cells)))
    sets: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        sets[cell[0].data].append(cell)
    names = dict.fromkeys(scores.model for scores, _, _ in cells)
    command = " ".join(["unnoise benchmark compare", *(f"--model {name}" for name in sorted(names))])
    command += "".join(f" --data {data.partition(':')[0]}:DIR" for data in sets) + " --out runs/compare"
    text = HEAD.format(command=command)
    for data, own in sets.items():
        text += "\n" + _section(data, own)
    text += "".join("\n" + _crops(path) for path in options.crops)
    options.page.write_text(text + WHICH, encoding="utf-8")


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
    """A section from what `classical_colors.py` printed: its first line names the columns, its last one is the mean."""
    command, head, *lines = path.read_text(encoding="utf-8").splitlines()
    title, *names = head.split()
    rows = [line.rsplit(maxsplit=len(names)) for line in lines]
    noisy, *others = (float(value) for value in rows[-1][1:])
    gains = ", ".join(f"`{name}` gains {other - noisy:.2f} dB" for name, other in zip(names[1:], others, strict=True))
    table = [[title, *(f"{name} dB" for name in names)], ["---"] * (len(names) + 1), *rows]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    return f"## Crops, with the noise of the whole picture\n\n`{command}`: {gains}.\n\n{text}\n"


def _section(data: str, cells: list[Cell]) -> str:
    whole = max(cells, key=lambda cell: len(cell[0].images))[0]
    ranked = sorted(cells, key=lambda cell: -(cell[0].restored.psnr - cell[0].noisy.psnr))
    best = max((cell for cell in cells if len(cell[0].images) == len(whole.images)), key=lambda cell: cell[0].restored.psnr)[0]
    noisy = mean_interval([image.noisy.psnr for image in whole.images])
    lines = [
        f"## {data.partition(':')[0]}, {len(whole.images)} pictures",
        "",
        "| method | pictures | PSNR dB | 95 % range | gain dB | to best dB | p | SSIM | parameters | GMACs | seconds | published dB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        f"| noisy input | {len(whole.images)} | {noisy.mean:.2f} | {noisy.low:.2f}–{noisy.high:.2f} "
        f"| | | | {whole.noisy.ssim:.3f} | | | | |",
    ]
    truth = {image.name: image.restored.psnr for image in best.images}
    for scores, parameters, macs in ranked:
        interval = mean_interval([image.restored.psnr for image in scores.images])
        common = [(image.restored.psnr, truth[image.name]) for image in scores.images if image.name in truth]
        apart = "" if scores is best else f"{fmean(own - other for own, other in common):+.2f}"
        p = "" if scores is best or len(common) < 2 else f"{paired_p_value(*zip(*common, strict=True)):.4f}"
        published = published_psnr(scores.model, data)
        pixels = [image.pixels for image in scores.images if image.pixels]
        gmacs = f"{macs * fmean(pixels) / 1e9:.3g}" if macs and pixels else ""
        lines.append(
            f"| `{scores.model}` | {len(scores.images)} | {interval.mean:.2f} | {interval.low:.2f}–{interval.high:.2f} "
            f"| {interval.mean - scores.noisy.psnr:+.2f} | {apart} | {p} | {scores.restored.ssim:.3f} | {parameters:,} | {gmacs} "
            f"| {scores.seconds / len(scores.images):.1f} | {'' if published is None else f'{published:.2f}'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
