"""Pictures of all kinds with a clean version, and what to make of them, for `gain.py --kinds`.

Fifteen kinds of pictures, four of each: photographs, drawings, weaves, stars, counts, real cameras. Each is restored in another way: by
two models, by a blur, by a model whose weights are disturbed, or not at all. Some go without the bound. So there are good results and
ruins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from skimage import data
from torch import Tensor, nn

import unnoise
from unnoise.denoisers.base import Denoiser
from unnoise.evaluation.datasets import open_set
from unnoise.evaluation.datasets.base import DataSet
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.models.model import Model
from unnoise.noise import Camera
from unnoise.simulation.drawn_scenes import drawn_scene
from unnoise.simulation.jpeg import jpeg_round_trip

Array = NDArray[Any]
Pair = tuple[Array, Array]
SIDE_PIXELS = 192
PHOTOGRAPHS = (
    data.astronaut,
    data.coffee,
    data.rocket,
    data.immunohistochemistry,
    data.camera,
    data.grass,
    data.brick,
)
MICROSCOPE = data.cell, data.coins, data.moon
DISTURBANCE = 0.12
"""Of the weights of an under-trained model: standard deviation, relative to that of each layer's weights."""


@dataclass(frozen=True)
class Case:
    """One picture and the way in which it is restored."""

    kind: str
    way: str
    noisy: Array
    """uint8, or uint16 for counts."""
    clean: Array
    """Floats on the same scale."""

    def options(self) -> dict[str, Any]:
        """Options of `Model.denoise`."""
        if self.way == "unchanged":
            return {"strength": 0}
        return {"bounded": False, "detail": 0} if self.way.endswith("unbounded") else {}


class Blur(Denoiser):
    """A Gaussian blur in place of a network."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sizes = {"channels": 3}
        self.sigma = nn.Parameter(torch.tensor(sigma))

    @property
    def receptive_field_radius(self) -> int:
        return 8

    def forward(self, x: Tensor) -> Tensor:
        return gaussian_blur(x, float(self.sigma))


def cases(seed: int, folders: dict[str, str]) -> Iterator[Case]:
    """Sixty cases, the same for the same seed.

    Args:
        folders: of the sets 'sidd-val' and 'polyu'; kinds whose set is missing are left out.
    """
    for number, (kind, draw) in enumerate(kinds(folders).items()):
        fourth = ("unchanged", "default unbounded", "disturbed")[number % 3]
        harm = ("blur unbounded", "disturbed unbounded")[number // 3 % 2]
        for place, way in enumerate(("default", "fast", harm, fourth)):
            generator = np.random.default_rng((seed, number, place))
            noisy, clean = draw(generator)
            yield Case(kind, way, noisy, clean)


def models(seed: int) -> Callable[[Case], Model]:
    """The model of each case."""
    shipped = {name: unnoise.load(name) for name in ("default", "fast")}
    made = {"blur": Model(Blur(1.0), shipped["fast"].recipe), "disturbed": _disturbed(unnoise.load("fast"), seed), **shipped}
    return lambda case: made["default" if case.way == "unchanged" else case.way.split()[0]]


def _disturbed(model: Model, seed: int) -> Model:
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.network.parameters():
            if weight.ndim > 1:
                weight += DISTURBANCE * weight.std() * torch.randn(weight.shape, generator=source)
    return model


def kinds(folders: dict[str, str]) -> dict[str, Callable[[np.random.Generator], Pair]]:
    """Each kind, and the function that draws a noisy and a clean picture of it; `folders` as for `cases`."""
    drawn: dict[str, Callable[[np.random.Generator], Pair]] = {
        "saturated": lambda draw: _noised(_saturated(draw), _sigma(draw, 2, 25), draw.choice((0, 0, 0.7)), draw),
        "text": lambda draw: _noised(255 * drawn_scene(SIDE_PIXELS, draw, "page"), _sigma(draw, 2, 20), 0, draw),
        "weave": lambda draw: _noised(_weave(draw), _sigma(draw, 1.5, 8), 0, draw),
        "stars": lambda draw: _noised(255 * drawn_scene(SIDE_PIXELS, draw, "stars"), _sigma(draw, 2, 12), 0, draw),
        "shades": lambda draw: _noised(_shades(draw), _sigma(draw, 2, 12), draw.choice((0, 0.7)), draw),
        "coarse noise": lambda draw: _noised(_photograph(draw), _sigma(draw, 4, 20), draw.uniform(0.7, 1.6), draw),
        "JPEG": _jpeg,
        "counts": _counts,
        "little noise": lambda draw: _noised(_photograph(draw), _sigma(draw, 0.6, 2), 0, draw),
        "photograph": lambda draw: _noised(_photograph(draw), _sigma(draw, 4, 25), 0, draw),
        "camera": _camera,
    }
    if "sidd-val" in folders:
        real = _pictures(f"sidd-val:{folders['sidd-val']}")
        drawn["phone"] = real
        drawn["negative"] = lambda draw: _changed(real(draw), lambda picture: 255 - picture)
        drawn["channels exchanged"] = lambda draw: _changed(real(draw), lambda picture: picture[..., [2, 0, 1]])
    if "polyu" in folders:
        drawn["five cameras"] = _pictures(f"polyu:{folders['polyu']}")
    return drawn


def _sigma(draw: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def _noised(clean: Array, sigma: float, blur: float, draw: np.random.Generator) -> Pair:
    """With Gaussian noise, coarse if blurred."""
    noise = draw.normal(size=clean.shape)
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0))
        noise /= noise.std()
    return _rounded(clean + sigma * noise), clean


def _rounded(picture: Array) -> Array:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _crop(picture: Array, draw: np.random.Generator) -> tuple[slice, slice]:
    rows, columns = (
        slice(start, start + SIDE_PIXELS) for start in (int(draw.integers(0, n - SIDE_PIXELS + 1)) for n in picture.shape[:2])
    )
    return rows, columns


def _photograph(draw: np.random.Generator) -> Array:
    """At half size, so that the photograph's own noise counts for little."""
    picture = PHOTOGRAPHS[draw.integers(len(PHOTOGRAPHS))]().astype(np.float64)
    height, width = (length // 2 for length in picture.shape[:2])
    picture = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean(axis=(1, 3))
    part: Array = picture[_crop(picture, draw)]
    return np.repeat(part, 3, 2) if part.shape[2] == 1 else part[..., :3]


def _saturated(draw: np.random.Generator) -> Array:
    """Patches on the faces of the RGB cube."""
    colors = draw.uniform(0, 255, (4, 4, 3))
    at = np.argmax(draw.random(colors.shape), axis=-1)[..., None]
    np.put_along_axis(colors, at, draw.choice((3.0, 252.0), (4, 4, 1)), axis=-1)
    return np.kron(colors, np.ones((SIDE_PIXELS // 4, SIDE_PIXELS // 4, 1)))


def _weave(draw: np.random.Generator) -> Array:
    """A sine of one to three channels in any direction, on half of the picture or on all of it."""
    y, x = np.mgrid[:SIDE_PIXELS, :SIDE_PIXELS]
    angle, period = draw.uniform(0, np.pi), draw.uniform(2, 8)
    wave = np.sin(2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle)))
    wave = wave * (x > SIDE_PIXELS // 2) if draw.random() < 0.5 else wave
    return draw.uniform(70, 180, 3) + draw.uniform(5, 40) * wave[..., None] * (draw.random(3) < 0.7)


def _shades(draw: np.random.Generator) -> Array:
    coarse = draw.uniform(20, 230, (4, 4, 3))
    return np.clip(zoom(coarse, (SIDE_PIXELS / 4, SIDE_PIXELS / 4, 1), order=3), 5, 250)


def _jpeg(draw: np.random.Generator) -> Pair:
    noisy, clean = _noised(_photograph(draw), _sigma(draw, 4, 20), 0, draw)
    return _rounded(255 * jpeg_round_trip(noisy / 255, int(draw.integers(60, 96)))), clean


def _counts(draw: np.random.Generator) -> Pair:
    """Photons and an offset, as a camera of a microscope gives them."""
    picture = MICROSCOPE[draw.integers(len(MICROSCOPE))]()
    part = picture[_crop(picture, draw)].astype(np.float64)
    clean = part / part.max() * np.exp(draw.uniform(np.log(8), np.log(400)))
    gain = draw.uniform(0.5, 4)
    return np.rint(100 + gain * draw.poisson(clean) + draw.normal(0, 1.5, clean.shape)).astype(np.uint16), 100 + gain * clean


def _camera(draw: np.random.Generator) -> Pair:
    smooth = draw.random() < 0.3
    camera = Camera(iso=_sigma(draw, 800, 25_600), smooth=0.7 if smooth else 0, sharpen=0.5 if smooth else 0)
    scene = _photograph(draw).astype(np.float32) / 255
    return _rounded(255 * camera.shoot(scene, draw)), 255.0 * camera.develop(scene)


def _pictures(name: str) -> Callable[[np.random.Generator], Pair]:
    """Crops of real pictures of a set."""
    found = open_set(name)

    def one(draw: np.random.Generator) -> Pair:
        pair = next(iter(DataSet(name, [found.entries[draw.integers(len(found))]])))
        part = _crop(pair.noisy, draw)
        return np.ascontiguousarray(pair.noisy[part]), pair.clean[part].astype(np.float64)

    return one


def _changed(pair: Pair, change: Callable[[Array], Array]) -> Pair:
    return np.ascontiguousarray(change(pair[0])), change(pair[1])
