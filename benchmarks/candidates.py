"""Weights that might ship, beside those that do: where each wins and loses, in a few minutes.

    python benchmarks/candidates.py default runs/new/model.safetensors --data ../shared/data --means runs/new/model.safetensors 0.3 0.5

A model that gains on the pictures of every day may lose elsewhere: other colors, few photons, sharp pictures with little
noise. Rows are models, columns kinds of pictures, drawn by `--seed`. Values are PSNR in dB, but for photon counts the
share of the squared error that is left, as a geometric mean and for the worst scene. `--means` adds the means of a
file's weights and those of the first model, with these shares of the file's.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

import unnoise
from crops import middle
from rows import Row, keep, tell
from unnoise.models.model import Model

Array = NDArray[Any]
Case = tuple[str, Array, Array]
"""Kind, noisy, clean."""
PHOTONS = 0.3, 1, 3, 8, 30
SIDE_PIXELS = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files; --means begins with the first")
    parser.add_argument("--data", type=Path, required=True, help="folder with sidd_val and polyu")
    parser.add_argument("--means", nargs="+", metavar="FILE SHARE …", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unbounded", action="store_true", help="what the network alone gives")
    parser.add_argument("--counts", action="store_true", help="photon counts alone")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    models: dict[str, Model] = {name: unnoise.load(name) for name in options.models}
    for share in options.means[1:]:
        models[f"mean {share}"] = mean_of_weights(unnoise.load(options.models[0]), unnoise.load(options.means[0]), float(share))
    others = () if options.counts else (*real(options.data, options.seed), *drawn(options.seed), *little(options.seed))
    cases = [*others, *counts(options.seed)]
    rows: list[Row] = []
    keywords: dict[str, Any] = {"bounded": False} if options.unbounded else {}
    for name, restore in {"noisy": lambda picture: picture, **{n: _restore(m, keywords) for n, m in models.items()}}.items():
        rows.append({"model": name.removesuffix(".safetensors")[-24:], **scores(restore, cases)})
        tell(rows[-1], head=len(rows) == 1)
    keep(rows, options.out)


def _restore(model: Model, keywords: dict[str, Any]) -> Callable[[Array], Array]:
    return lambda picture: model.denoise(picture, **keywords)


def mean_of_weights(first: Model, second: Model, share: float) -> Model:
    """The network with `share` of the second's weights and the rest of the first's, in float32."""
    network = copy.deepcopy(second.network)
    old, new = first.network.state_dict(), network.state_dict()
    network.load_state_dict({key: share * value + (1 - share) * old[key] for key, value in new.items()})
    return Model(network, second.recipe, second.card)


def scores(restore: Callable[[Array], Array], cases: list[Case]) -> dict[str, str]:
    """Kind → mean PSNR, or what is left of the error of counts."""
    found: dict[str, list[float]] = {}
    for kind, noisy, clean in cases:
        error = float(np.mean((restore(noisy).astype(np.float64) - clean) ** 2))
        counted = noisy.dtype == np.float32
        left = error / float(np.mean((noisy - clean) ** 2)) if counted else -10 * np.log10(max(error, 1e-9) / 255**2)
        found.setdefault(kind, []).append(left)
    told: dict[str, str] = {}
    for kind, values in found.items():
        if kind.startswith("counts"):
            told[kind] = f"{np.exp(np.mean(np.log(values))):.3f}"
            told[f"{kind} worst"] = f"{max(values):.2f}"
        else:
            told[kind] = f"{np.mean(values):.2f}"
    return told


def real(folder: Path, seed: int) -> Iterator[Case]:
    """Blocks of SIDD as they are, with exchanged channels and inverted, and middles of PolyU."""
    first = np.random.default_rng(seed).integers(0, 8)
    for scene in range(25, 31):
        for block in range(first, 32, 8):
            file = f"{scene}_{block:02d}.webp"
            noisy, clean = (_read(folder / "sidd_val" / part / file) for part in ("noisy", "clean"))
            yield "sidd", noisy, clean
            if block == first + 8:
                for order in ("BGR", "GBR", "BRG", "RBG"):
                    channels = ["RGB".index(channel) for channel in order]
                    yield order, noisy[..., channels], clean[..., channels]
                yield "negative", 255 - noisy, 255 - clean
    for noisy_file in sorted((folder / "polyu").glob("*_real.JPG"))[seed % 5 :: 5]:
        clean_file = noisy_file.with_name(noisy_file.name.replace("_real", "_mean"))
        yield "polyu", middle(_read(noisy_file), 256), middle(_read(clean_file), 256)


def drawn(seed: int) -> Iterator[Case]:
    """Plain patches of the whole gamut with white and correlated noise."""
    generator = np.random.default_rng(seed)
    for sigma, blur in ((3, 0), (10, 0), (10, 1), (25, 1)):
        colors = generator.integers(0, 6, (6, 6, 3)) * 51.0
        clean = np.kron(colors, np.ones((48, 48, 1)))
        yield f"patches {sigma}{'c' if blur else ''}", *_with_noise(clean, sigma, blur, generator)


def little(seed: int) -> Iterator[Case]:
    """Photographs with white noise, from hardly any to much."""
    generator = np.random.default_rng(seed)
    for picture in (data.coffee, data.astronaut, data.chelsea, data.rocket):
        for sigma in (1, 3, 10):
            yield f"white {sigma}", *_with_noise(middle(picture()[..., :3], 224).astype(float), sigma, 0, generator)


def counts(seed: int) -> Iterator[Case]:
    """Photon counts of nine scenes, some of them dark with few bright places."""
    generator = np.random.default_rng(seed)
    scenes = [middle(picture(), SIDE_PIXELS) / 255 for picture in (data.camera, data.coins, data.moon, data.cell)]
    scenes += [scene**2.2 for scene in scenes[:3]]
    dots = np.zeros((SIDE_PIXELS, SIDE_PIXELS))
    dots[tuple(generator.integers(0, SIDE_PIXELS, (2, 60)))] = generator.uniform(0.2, 1, 60)
    dots = gaussian_filter(dots, 2)
    row, column = np.mgrid[:SIDE_PIXELS, :SIDE_PIXELS] / SIDE_PIXELS
    scenes += [0.02 + dots / dots.max(), 0.5 + 0.3 * np.sin(12 * row) * np.cos(9 * column)]
    for photons in PHOTONS:
        for scene in scenes:
            clean = photons * scene / scene.max()
            yield f"counts {photons:g}", generator.poisson(clean).astype(np.float32), clean


def _with_noise(clean: Array, sigma: float, blur: float, generator: np.random.Generator) -> tuple[Array, Array]:
    noise = generator.standard_normal(clean.shape)
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0))
    noisy = clean + sigma * noise / noise.std()
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), clean


def _read(file: Path) -> Array:
    return np.asarray(Image.open(file).convert("RGB"))


if __name__ == "__main__":
    main()
