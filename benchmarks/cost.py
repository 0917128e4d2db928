"""How long several models take for one picture, and how many parameters they have.

    python benchmarks/cost.py tm-bsn default                                  # ratios are to the first model
    python benchmarks/cost.py runs/at-bsn runs/at-bsn-d --threads 1 --clock cpu

The time is that of the scheme alone: without R³, `light`, reading and writing. A scheme that averages over blind spots is
also timed with one blind spot, as its paper does. On a busy machine, `--clock cpu` counts processor time and not time on the
wall. Classical methods need a real picture, by `--picture`: noise alone has no structure to match.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

import unnoise
from speed_machine import seconds
from unnoise import images, recipes
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.models.model import Model
from unnoise.schemes.risk_averaged import RiskAveraged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one or more models: names or files")
    parser.add_argument("--side", type=int, default=256, help="side of the picture in pixels")
    parser.add_argument("--picture", type=Path, help="its upper left corner is restored; default: random values")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    models: dict[str, Model] = {}
    for name in options.models:
        models[name] = unnoise.load(name)
        if isinstance(models[name].recipe.scheme, RiskAveraged):
            models[f"{name}, one hole"] = at_one_hole(models[name])
    noisy = _picture(options.picture, options.side)
    calls = {name: _caller(model, noisy) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.repeats + 1):
        for name, call in calls.items():
            times[name].append(seconds(call, "cpu", options.clock))
    middle = {name: median(taken[1:]) for name, taken in times.items()}  # the first turn warms up
    first = next(iter(middle.values()))
    print("model  parameters  seconds  microseconds a pixel  share of the first")
    for name, model in models.items():
        each = middle[name] / options.side**2 * 1e6
        print(f"{name}  {model.network.parameter_count():,}  {middle[name]:.3f}  {each:.3f}  {middle[name] / first:.3f}")


def at_one_hole(model: Model) -> Model:
    """The same network applied as its paper does, by the hole of the recipe `tm-bsn` or `at-bsn` alone."""
    paper = recipes.load("tm-bsn" if model.recipe.denoiser.name == "tmbsn" else "at-bsn")
    return model.applied({"scheme": paper.scheme.model_dump()})


def _picture(path: Path | None, side: int) -> Tensor:
    """(1, 3, side, side), values in 0..1."""
    if path is None:
        return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    corner = images.read(path).pixels[:side, :side]
    return torch.from_numpy(corner.copy()).permute(2, 0, 1)[None].float() / 255


def _caller(model: Model, noisy: Tensor) -> Callable[[], Tensor]:
    return lambda: Pipeline(model.network, model.recipe.scheme, InferenceSettings()).restore(noisy)


if __name__ == "__main__":
    main()
