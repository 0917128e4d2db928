"""Students of TM-BSN in bytes: counting one that learnt without, and what int8 costs.

    python benchmarks/int8.py count STUDENT --out counted.safetensors
    python benchmarks/int8.py quality counted.safetensors default --data sidd-val:DIR polyu:DIR --limit 24

How fast they are tells `speed.py --methods "tm-bsn student" "tm-bsn student, bytes"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import unnoise
from unnoise import denoisers, recipes
from unnoise.denoisers.bytewise import DOWN, UP
from unnoise.denoisers.rounded import RoundedConvolution
from unnoise.denoisers.rounded_student import RoundedStudent
from unnoise.noise import Camera

ISO = (100, 1600, 12_800, 51_200)
HELD = 0.8
"""Of the largest value of a channel is what the last step stands for: finer steps are worth more than the rare values that saturate."""
LEAST = 1e-4
"""What the last step stands for at least, where a channel is not used."""


def photographs() -> list[Tensor]:
    """Simulated ones that cover black, white, edges, colours, texture, weak and strong noise, each (1, 3, 96, 96)."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96] / 96
    texture = sum(np.kron(generator.random((96 // k, 96 // k, 3)), np.ones((k, k, 1))) for k in (1, 2, 4, 8, 16)) / 5
    scenes = [np.full((96, 96, 3), value) for value in (0.0, 0.1, 1.0)]
    scenes += [np.stack([columns, rows, 1 - columns], axis=-1), texture, np.clip(3 * texture - 1, 0, 1)]
    scenes += [np.kron(generator.integers(0, 2, (8, 8, 3)), np.ones((12, 12, 1)))]
    shots = [Camera(iso=iso).shoot(scene.astype(np.float32), generator) for scene in scenes for iso in ISO]
    return [torch.from_numpy(shot.transpose(2, 0, 1).copy())[None] for shot in shots]


def count(options: argparse.Namespace) -> None:
    """Write the student with steps that hold what its maps hold for simulated photographs; nothing else of it changes."""
    (name,) = options.models
    student = unnoise.load(name)
    network = RoundedStudent(**student.network.sizes)
    network.load_state_dict(student.network.state_dict())
    layers = {
        layer: layer.top for layer in network.modules() if isinstance(layer, RoundedConvolution) and layer.top is not None
    }
    held = {layer: torch.full_like(top, LEAST) for layer, top in layers.items()}

    def watch(layer: RoundedConvolution, y: Tensor) -> Tensor:
        needed = torch.maximum(y.amax((0, 2, 3)), -y.amin((0, 2, 3)) * UP / DOWN)
        held[layer] = torch.maximum(held[layer], needed)
        return y

    for layer in layers:
        whole, doubled = layer.forward, layer.doubled
        layer.forward = lambda *given, layer=layer, whole=whole: watch(layer, whole(*given))  # type: ignore[method-assign]
        layer.doubled = lambda *given, layer=layer, doubled=doubled: watch(layer, doubled(*given))  # type: ignore[method-assign]
    network.eval()
    with torch.inference_mode():
        for photograph in photographs():
            network(photograph)
    with torch.no_grad():
        for layer, top in layers.items():
            top.copy_((HELD * held[layer]).log())
    fields = student.recipe.model_dump(mode="json") | {"denoiser": {"name": denoisers.name_of(network), "sizes": network.sizes}}
    unnoise.Model(network, recipes.validate(fields, student.recipe.name), student.card).save(options.out, half=True)


def quality(options: argparse.Namespace) -> None:
    """PSNR in float32, and how much int8 takes away."""
    for name in options.models:
        model = unnoise.load(name)
        for data in options.data:
            exact, whole = (
                unnoise.evaluate(model, data, limit=options.limit, precision=precision, refine=False).restored.psnr
                for precision in ("float32", "int8")
            )
            print(f"{name}  {data.partition(':')[0]}  float32 {exact:.3f}  int8 {whole - exact:+.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("count", "quality"))
    parser.add_argument("models", nargs="+", help="names or files")
    parser.add_argument("--data", nargs="+", default=[], metavar="SET:DIR")
    parser.add_argument("--limit", type=int, help="score so many pictures of each set")
    parser.add_argument("--out", type=Path, default=Path("counted.safetensors"))
    options = parser.parse_args()
    count(options) if options.what == "count" else quality(options)


if __name__ == "__main__":
    main()
