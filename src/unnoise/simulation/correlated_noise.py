"""Noise of a random spectrum: from white to as coarse as enlarged pictures have it, coloured, directed, and of any strength.

A camera's way of making noise (`noise.Camera`) gives a few families of spectra. Noise reduction, resizing, stacking, scanning and video
codecs give others. A network that is to take them all for noise must have seen them all.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unnoise.simulation.jpeg import jpeg_round_trip
from unnoise.simulation.settings import SimulationSettings
from unnoise.simulation.tone_curves import toned

Array = NDArray[Any]
Share = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[float, Field(ge=0, le=255)]
Pixels = Annotated[float, Field(ge=0, le=16)]
Quality = Annotated[int, Field(ge=1, le=100)]


class NoiseSpectra(SimulationSettings):
    """A range or a share for each property of the noise.

    >>> clean, noisy = NoiseSpectra().pair(np.full((32, 32, 3), 0.5, np.float32), np.random.default_rng(0))
    >>> noisy.shape
    (32, 32, 3)
    """

    noun: ClassVar[str] = "noise range"

    strength: tuple[Annotated[float, Field(gt=0, le=255)], Annotated[float, Field(gt=0, le=255)]] = (0.7, 60.0)
    """Standard deviation in steps of 255, drawn evenly in the logarithm."""
    none: Share = 0.06
    """Share of the pictures without any noise."""
    white: Share = 0.35
    """Share of the pictures whose noise is white."""
    correlation: tuple[Pixels, Pixels] = (0.3, 2.0)
    """Standard deviation in pixels of the Gaussian that correlates the others' noise; 2 is visible over some four pixels."""
    directed: Share = 0.25
    """Share of the correlated noise that is coarser in one direction than in the other."""
    sharpened: Share = 0.2
    """Share of the correlated noise that was sharpened afterwards, so that neighbours of a bright pixel are dark."""
    blotches: Share = 0.25
    """Share of the pictures with coarse blotches of colour, as in-camera noise reduction leaves them."""
    rows: Share = 0.06
    """Share of the pictures with an offset for each row or column."""
    dependent: Share = 0.6
    """Share of the pictures whose noise depends on the brightness, rising or falling."""
    grey: Share = 0.15
    """Share of the pictures in black and white: three equal channels, of scene and of noise."""
    unclipped: Share = 0.1
    """Share of the pictures that are not cut off at black and white, nor rounded to 8 bits, as measurements."""
    jpeg: Share = 0.2
    """Share of the pictures that went through JPEG."""
    quality: tuple[Quality, Quality] = (30, 99)
    """Of JPEG; high ones are more frequent."""

    def pair(self, scene: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """A noisy picture of the scene, and what it shows.

        Args:
            scene: (H, W, 3) float32 in 0..1, as free of noise as can be had.
            generator: of tone curve, spectrum, strength and noise.

        Returns:
            Noisy and clean, (H, W, 3) float32; clean in 0..1, noisy too unless it is not clipped.
        """
        clean = toned(scene, generator)
        grey = generator.random() < self.grey
        if grey:
            clean = np.repeat(clean.mean(axis=2, keepdims=True), 3, axis=2)
        noisy = clean
        if generator.random() >= self.none:
            sigma = np.exp(generator.uniform(*np.log(self.strength))) / 255
            field = self.field(clean.shape[0], clean.shape[1], generator)
            if grey:
                field = np.repeat(field[..., :1], 3, axis=2)
            noisy = clean + np.float32(sigma) * field * self._dependence(clean, generator)
        if generator.random() < self.unclipped:
            return noisy, clean
        noisy = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.float32) / np.float32(255)
        if generator.random() < self.jpeg:
            low, high = self.quality
            noisy = jpeg_round_trip(noisy, round(high - (high - low) * generator.random() ** 2))
            if grey:
                noisy = np.repeat(noisy[..., :1], 3, axis=2)
        return noisy, clean

    def field(self, height: int, width: int, generator: np.random.Generator) -> Array:
        """Noise (height, width, 3) float32 of mean 0 and, over its channels, mean square 1, of a spectrum drawn at random."""
        values = generator.standard_normal((3, height, width), np.float32)
        if generator.random() >= self.white:
            values = self._filtered(values, generator)
        values = _between_channels(generator) @ values.reshape(3, -1)  # (3, height·width)
        values = values.reshape(3, height, width)
        if generator.random() < self.blotches:
            coarse = generator.standard_normal((3, height, width), np.float32)
            coarse = _shaped(coarse, _gaussian(height, width, *[generator.uniform(1.5, 4)] * 2))
            values = values + np.float32(generator.uniform(0.2, 1.0)) * (coarse - coarse.mean(axis=0))
        if generator.random() < self.rows:
            shape = (1, height, 1) if generator.random() < 0.5 else (1, 1, width)
            values = values + np.float32(generator.uniform(0.1, 1.0)) * generator.standard_normal(shape, np.float32)
        field: Array = values / np.sqrt(np.mean(values**2))
        return field.transpose(1, 2, 0)

    def _filtered(self, values: Array, generator: np.random.Generator) -> Array:
        height, width = values.shape[1:]
        across = along = np.exp(generator.uniform(*np.log(np.maximum(self.correlation, 0.1))))
        if generator.random() < self.directed:
            across = generator.uniform(0, along)
        response = _gaussian(height, width, along, across, generator.choice((0.0, np.pi / 2, generator.uniform(0, np.pi))))
        if generator.random() < self.sharpened:
            response = response * (1 + generator.uniform(0.5, 3) * (1 - _gaussian(height, width, 1.2, 1.2)))
        if generator.random() < 0.3:  # some fine noise on top, as rounding and a second generation of processing add it
            return _shaped(values, np.sqrt(response**2 / np.mean(response**2) + generator.uniform(0, 0.5) ** 2))
        return _shaped(values, response)

    def _dependence(self, clean: Array, generator: np.random.Generator) -> Array:
        """Factors (H, W, 3) of about 1, or 1 everywhere."""
        if generator.random() >= self.dependent:
            return np.float32(1)  # type: ignore[return-value]
        x = clean if generator.random() < 0.7 else 1 - clean
        base = generator.uniform(0.02, 1)
        variance = base + (1 - base) * 2 * x ** np.float32(generator.uniform(0.5, 2))
        factors: Array = np.sqrt(variance).astype(np.float32)
        return factors


def _between_channels(generator: np.random.Generator) -> Array:
    """A matrix (3, 3) float32 that makes the channels' noise alike, independent, or anything between, and unequal in strength."""
    alike = generator.choice((0.0, 1.0, generator.random()), p=(0.4, 0.15, 0.45))
    mixing = (1 - alike) * np.eye(3) + alike * np.full((3, 3), 1 / np.sqrt(3))
    if generator.random() < 0.3:  # channels that err against each other, as colour matrices make them
        mixing = (np.eye(3) + generator.uniform(-0.6, 0.2, (3, 3))) @ mixing
    strengths = np.exp(generator.normal(0, 0.35, (3, 1))) if generator.random() < 0.7 else np.ones((3, 1))
    matrix: Array = (strengths * mixing).astype(np.float32)
    return matrix


def _gaussian(height: int, width: int, along: float, across: float, angle: float = 0.0) -> Array:
    """What a Gaussian blur leaves of each frequency of `numpy.fft.rfft2`, (height, width // 2 + 1)."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    first, second = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    response: Array = np.exp(-2 * np.pi**2 * ((along * first) ** 2 + (across * second) ** 2))
    return response


def _shaped(values: Array, response: Array) -> Array:
    """White noise (3, H, W) through a filter, of standard deviation about 1 again."""
    shaped = np.fft.irfft2(np.fft.rfft2(values) * response, values.shape[1:]).astype(np.float32)
    return shaped / max(float(shaped.std()), 1e-6)
