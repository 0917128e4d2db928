"""Score several models, with and without refinement and self-ensemble, on several data sets: a CSV file and a table.

    python benchmarks/quality.py MODEL MODEL --data sidd-val:DIR polyu:DIR --out docs/results/quality.csv

The snapshots of a training, given as models, make its learning curve.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import unnoise
from rows import keep, tell

KINDS = {
    "bare": {"refine": False, "ensemble": False},
    "R3": {"refine": True, "ensemble": False},
    "ensemble": {"refine": False, "ensemble": True},
    "R3 + ensemble": {"refine": True, "ensemble": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one or more models: names or files")
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["bare", "R3"])
    parser.add_argument("--limit", type=int, help="number of pictures from each set")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    rows = []
    for name in options.models:
        model = unnoise.load(name).to(options.device)
        for data in options.data:
            for kind in options.kinds:
                result = unnoise.evaluate(model, data, limit=options.limit, precision=options.precision, **KINDS[kind])
                scores = result.noisy, result.restored
                row = {
                    "model": Path(name).stem,
                    "steps": model.card.steps,
                    "minutes": model.card.minutes,
                    "data": data.partition(":")[0],
                    "images": len(result.images),
                    "kind": kind,
                    "noisy_psnr": f"{scores[0].psnr:.3f}",
                    "noisy_ssim": f"{scores[0].ssim:.4f}",
                    "psnr": f"{scores[1].psnr:.3f}",
                    "ssim": f"{scores[1].ssim:.4f}",
                    "seconds": f"{result.seconds:.3f}",
                }
                rows.append(row)
                tell(row)
    keep(rows, options.out)


if __name__ == "__main__":
    main()
