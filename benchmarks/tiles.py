"""How far results in tiles are from whole results: the largest and the mean difference in steps of 8 bits, and a share.

    python benchmarks/tiles.py default apbsn.pth --picture photo.png --tiles 128 256 --out docs/results/tiles.csv

A network with a finite receptive field should differ by rounding alone. Other networks see a little of the rest of the
tile, and this measures how much. The share is the difference's root mean square divided by that of what the network
changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import unnoise
from rows import keep, tell
from unnoise import images
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one or more models: names or files")
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument(
        "--side", type=int, default=384, help="side in pixels of the square that is cut from the picture's middle"
    )
    parser.add_argument("--tiles", type=int, nargs="+", default=[96, 192])
    parser.add_argument("--refine", action="store_true", help="with R³ where the recipe has it")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    noisy, _ = images.to_tensor(images.read(options.picture).pixels)
    top, left = ((length - options.side) // 2 for length in noisy.shape[-2:])
    noisy = noisy[..., top : top + options.side, left : left + options.side]
    rows = []
    for name in options.models:
        model = unnoise.load(name)
        refinement = model.recipe.refinement if options.refine else None
        whole, *tiled = (
            Pipeline(
                model.network, model.recipe.scheme, InferenceSettings(refinement=refinement, tile=tile, precision="float32")
            ).restore(noisy)
            for tile in (options.side, *options.tiles)
        )
        changed = (whole - noisy).square().mean().sqrt()
        for tile, result in zip(options.tiles, tiled, strict=True):
            difference = 255 * (result - whole).abs()
            row = {
                "model": Path(name).stem,
                "network": unnoise.denoisers.name_of(model.network),
                "picture": options.picture.name,
                "side": options.side,
                "tile": tile,
                "refined": refinement is not None,
                "worst": f"{difference.max():.2g}",
                "mean": f"{difference.mean():.2g}",
                "share": f"{difference.square().mean().sqrt() / (255 * changed):.2g}",
            }
            rows.append(row)
            tell(row)
    keep(rows, options.out)


if __name__ == "__main__":
    main()
