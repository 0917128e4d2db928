"""Write the page of a comparison from what `unnoise benchmark compare` kept in its folder.

    unnoise benchmark compare --model fast --model bm3d --data polyu:DIR --data sidd-val:DIR --limit 12 --out runs/compare
    python benchmarks/compare_page.py runs/compare docs/results/compare.md

Every finished cell of the folder is a line. Nothing is measured here.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

from unnoise.evaluation.comparison.published import published_psnr
from unnoise.evaluation.comparison.statistics import mean_interval, paired_p_value
from unnoise.evaluation.scoring import Evaluation

HEAD = """# Methods compared

Each method on real pictures with truth, by protocol *default*. The noise is measured by the method, not given. *p* is
how likely chance alone makes the difference from the best method, by a paired permutation test over the pictures.
*Published* figures are of whole data sets, ours of the pictures that the heading counts. Seconds are per picture, measured
beside other work: they rank the methods and no more. `benchmarks/compare_page.py` writes this page.

```sh
{command}
```
"""
WHICH = """
## Which method?

- **A photograph from a phone or camera**: `default`. Its noise is correlated, so methods that take it as white leave
  most of it. `fast` is nearly as good and several times as fast.
- **No learned model wanted**: `bm3d`, with the noise that is measured in the picture. The other classical methods take
  the noise as white.
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
    options = parser.parse_args()
    sets: dict[str, list[tuple[Evaluation, int]]] = defaultdict(list)
    for path in sorted((options.folder / "cells").glob("*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        scores = Evaluation.from_json(json.dumps(cell["scores"]))
        sets[scores.data].append((scores, cell["parameters"]))
    names = list(dict.fromkeys(scores.model for cells in sets.values() for scores, _ in cells))
    count = max(len(scores.images) for cells in sets.values() for scores, _ in cells)
    command = " ".join(["unnoise benchmark compare", *(f"--model {name}" for name in sorted(names))])
    command += "".join(f" --data {data.partition(':')[0]}:DIR" for data in sets) + f" --limit {count} --out runs/compare"
    text = HEAD.format(command=command)
    for data, cells in sets.items():
        text += "\n" + _section(data, cells)
    options.page.write_text(text + WHICH, encoding="utf-8")


def _section(data: str, cells: list[tuple[Evaluation, int]]) -> str:
    ranked = sorted(cells, key=lambda each: -each[0].restored.psnr)
    best = [image.restored.psnr for image in ranked[0][0].images]
    first = ranked[0][0]
    noisy = mean_interval([image.noisy.psnr for image in first.images])
    lines = [
        f"## {data.partition(':')[0]}, {len(first.images)} pictures",
        "",
        "| method | PSNR dB | 95 % range | gain dB | SSIM | p | parameters | seconds | published dB |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| noisy input | {noisy.mean:.2f} | {noisy.low:.2f}–{noisy.high:.2f} | | {first.noisy.ssim:.3f} | | | | |",
    ]
    for scores, parameters in ranked:
        values = [image.restored.psnr for image in scores.images]
        interval = mean_interval(values)
        p = "" if scores is first else f"{paired_p_value(values, best):.4f}"
        published = published_psnr(scores.model, data)
        lines.append(
            f"| `{scores.model}` | {interval.mean:.2f} | {interval.low:.2f}–{interval.high:.2f} "
            f"| {interval.mean - noisy.mean:+.2f} | {scores.restored.ssim:.3f} | {p} | {parameters:,} "
            f"| {scores.seconds / len(values):.1f} | {'' if published is None else f'{published:.2f}'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
