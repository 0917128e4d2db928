"""Comparing a trained model with the noisy pictures and with a shipped model, on pictures without truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise import images
from unnoise.images.frames import SinglePicture
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.models.model import Model
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_sampling import channel_correlation, noise_sigma, sample_noise, white_part
from unnoise.photometry.normalization import Normalization, is_measured, measure_scale
from unnoise.quality.comparison import MOST_DECIBELS, Risks, Standing, compare, joined, risks_of
from unnoise.quality.mc_sure import GRAIN
from unnoise.regions import RegionSource

Pixels = NDArray[Any]
SIDE_PIXELS = 256
"""Side of the part of each picture that is restored."""
PERTURBATION = 0.1
"""ε, in units of the noise. With 0.5 the picture has an eighth more noise: a network that learned on stronger noise, or whose removal is
bounded, seemed worse than it was."""
ROUNDED_STEPS = 0.5
"""Standard deviation of what is added to whole numbers, in steps, at least. Rounding would swallow less."""
LEAST_SIDE_PIXELS = 48
"""Smaller pictures tell nothing."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    >>> Comparison(Standing.BETTER, 3, 9.0, "default", 8.0).sentence()
    "The model is better than 'default': on 3 of these pictures its estimated gain is 9.0 dB, that of the shipped model 'default' 8.0 dB."
    """

    standing: Standing
    pictures: int
    """Number of pictures in which noise could be measured."""
    gain: float
    """Estimated gain of the model over the noisy pictures, in dB."""
    other: str
    """The name of the model that it was compared with."""
    other_gain: float
    """The gain of that one."""

    @property
    def is_worse(self) -> bool:
        """Whether the noisy pictures or the other model are better."""
        return self.standing in (Standing.WORSE_THAN_NOISY, Standing.WORSE_THAN_OTHER)

    def sentence(self) -> str:
        """The result in one sentence."""
        if self.standing is Standing.UNKNOWN:
            return "The model could not be compared: the noise of these pictures cannot be told from their structure."
        figures = f"its estimated gain is {_told(self.gain)}, that of the shipped model '{self.other}' {_told(self.other_gain)}"
        on = f"on {self.pictures} of these pictures" if self.pictures > 1 else "on one of these pictures"
        if self.standing is Standing.WORSE_THAN_NOISY:
            return f"The model makes these pictures worse: {on} {figures}."
        if self.standing is Standing.WORSE_THAN_OTHER:
            return f"The model is worse than '{self.other}': {on} {figures}."
        if self.standing is Standing.BETTER:
            return f"The model is better than '{self.other}': {on} {figures}."
        return f"The model is as good as '{self.other}': {on} {figures}."


def _told(gain: float) -> str:
    return f"above {MOST_DECIBELS:.0f} dB" if gain >= MOST_DECIBELS else f"{gain:.1f} dB"


def compare_models(model: Model, other: Model, pictures: Iterable[SinglePicture], *, name: str, seed: int = 0) -> Comparison:
    """Compare two models on noisy pictures.

    Args:
        model, other: on any device.
        pictures: of each the middle is used, `SIDE_PIXELS` pixels a side.
        name: of the other model, for the sentence.
        seed: of the noise that is added.

    >>> from unnoise.models import shipped
    >>> flat = SinglePicture(np.full((64, 64), 7, np.uint16), "flat", "grey", "uint16")
    >>> str(compare_models(shipped.load("fast"), shipped.load("fast"), [flat], name="fast").standing)
    'cannot tell'
    """
    source = torch.Generator().manual_seed(seed)
    own: list[Risks] = []
    others: list[Risks] = []
    for picture in pictures:
        noise = _more_noise(picture, source)
        if noise is None:
            continue
        noisy, extra = noise
        own.append(_risks(model, noisy, extra))
        others.append(_risks(other, noisy, extra))
    if not own:
        return Comparison(Standing.UNKNOWN, 0, 0.0, name, 0.0)
    risks, other_risks = joined(own), joined(others)
    return Comparison(compare(risks, other_risks), len(own), risks.gain, name, other_risks.gain)


def _risks(model: Model, noisy: Pixels, extra: Pixels) -> Risks:
    restored = _restored(model, noisy)
    power = float(np.mean(np.square(extra)))
    step = PERTURBATION if noisy.dtype.kind == "f" else max(PERTURBATION, ROUNDED_STEPS / max(power**0.5, ROUNDED_STEPS))
    noisier = _in_type(noisy + step * extra, noisy.dtype)
    added, moved = (noisier.astype(np.float64) - noisy) / step, (_restored(model, noisier) - restored) / step
    return risks_of(*(_planes(each) for each in (noisy.astype(np.float64), restored, moved, added)), power=power)


def _restored(model: Model, noisy: Pixels) -> Pixels:
    result: Pixels = model.denoise(noisy, precision="float32").astype(np.float64)
    return result


def _more_noise(picture: SinglePicture, source: torch.Generator) -> tuple[Pixels, Pixels] | None:
    """The middle of a picture, and noise of its own kind in the same unit. None: no noise can be told."""
    top, left = ((length - min(SIDE_PIXELS, length)) // 2 for length in picture.pixels.shape[:2])
    noisy = picture.pixels[top : top + SIDE_PIXELS, left : left + SIDE_PIXELS]
    if min(noisy.shape[:2]) < LEAST_SIDE_PIXELS:
        return None
    measured = is_measured(picture.colours, noisy.dtype)
    if measured or picture.colours == "rgb":  # eight bits of grey stay, as models treat floats of grey otherwise
        white = 1.0 if measured or noisy.dtype.kind == "f" else float(np.iinfo(noisy.dtype).max)
        noisy = (noisy / white).astype(np.float32)
    tensor, _ = images.to_tensor(noisy, normalization=Normalization(of="picture"))
    scale = measure_scale(RegionSource.of(tensor)) if measured else None
    if measured and scale is None:
        return None
    unit = scale.unit(tensor) if scale else tensor
    noise = estimate_noise(RegionSource.of(unit), coded=not measured)
    if noise is None or noise.is_none:
        return None
    if measured:
        noise = white_part(noise)
    coarse = gaussian_blur(unit, GRAIN)
    sigma = noise_sigma(noise, gaussian_blur(unit, 2.0))
    extra = sample_noise(noise, sigma, channel_correlation(unit - coarse), source)[0].permute(1, 2, 0).double().numpy()
    white = scale.high - scale.low if scale else float(np.iinfo(noisy.dtype).max) if noisy.dtype.kind == "u" else 1.0
    return noisy, extra.reshape(noisy.shape) * white


def _in_type(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """Rounded and clipped where the type asks for it."""
    if dtype.kind == "u":
        values = np.rint(values).clip(0, np.iinfo(dtype).max)
    return values.astype(dtype)


def _planes(values: Pixels) -> torch.Tensor:
    """(H, W) or (H, W, C) → (C, H, W)."""
    return torch.from_numpy(np.atleast_3d(values).transpose(2, 0, 1).copy())
