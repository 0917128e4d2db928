"""Cameras of many kinds, drawn at random, so that a network sees more of them than its training pictures came from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from unnoise.errors import UsageError
from unnoise.photometry.normalization import Scale, scale_of_values
from unnoise.simulation import color
from unnoise.simulation.camera import Camera
from unnoise.simulation.settings import SimulationSettings

Array = NDArray[Any]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

_USUAL_MATRIX: Array = np.array(Camera().color_matrix)


class Cameras(SimulationSettings):
    """A range for each setting of `Camera`, drawn evenly within it; ISO is drawn evenly in its logarithm.

    The defaults reach from a full-frame camera at ISO 200 to a phone in the dark, with plain processing or with that of
    cameras' own JPEG files. Some are cameras of instruments. The ranges were chosen by hand, and not fitted to a data
    set.

    >>> camera = Cameras().draw(np.random.default_rng(0))
    >>> 200 <= camera.iso <= 80_000
    True
    """

    noun: ClassVar[str] = "camera range"

    iso: tuple[Annotated[float, Field(gt=0, le=1_000_000)], Annotated[float, Field(gt=0, le=1_000_000)]] = (200, 80_000)
    stops: tuple[float, float] = (-3.0, 1.0)
    """Exposure: the scene's light is multiplied by 2 to the power of this."""
    lens_blur: tuple[NotNegative, NotNegative] = (0.0, 1.5)
    """From sharp to out of focus. Most of many photographs is smooth, and there noise is most visible."""
    red: tuple[float, float] = (1.4, 2.4)
    """Gain of red in the white balance. That of green is 1."""
    blue: tuple[float, float] = (1.2, 2.4)
    matrix: tuple[NotNegative, NotNegative] = (0.0, 1.2)
    """The color matrix, from none (0) to that of `Camera` (1) and beyond."""
    bilinear: Share = 0.4
    """Share of the cameras with bilinear demosaicing."""
    unfiltered: Share = 0.15
    """Share of the cameras without a color filter, whose noise is white. The shares above are of the others."""
    sharp: Share = 0.0
    """Share of the cameras without a color filter whose lens does not blur at all, like some instruments'."""
    linear: Share = 0.1
    """Share of the cameras that give linear light, like those of instruments."""
    grey: Share = 0.1
    """Share of the color pictures that are taken in black and white."""
    counts: Share = 0.0
    """Share of the pictures that are photon counts in black and white, normalized as a network sees measurements."""
    photons: tuple[Positive, Positive] = (0.5, 1000.0)
    """Photons in the brightest places of such a picture, drawn evenly in the logarithm."""
    dark: tuple[Positive, Positive] = (1.0, 1.0)
    """Power that the light of half of these pictures is raised to: above 1, few bright places on a dark ground."""
    read_noise: tuple[NotNegative, NotNegative] = (0.0, 2.0)
    """Noise in photons that the detector adds to half of these pictures."""
    processed: Share = 0.5
    """Share of the cameras with some of the processing below. The others show the result of demosaicing."""
    smooth: tuple[NotNegative, NotNegative] = (0.0, 1.2)
    smooth_color: tuple[NotNegative, NotNegative] = (0.0, 3.0)
    sharpen: tuple[NotNegative, NotNegative] = (0.0, 1.2)
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = (80, 99)

    @model_validator(mode="after")
    def _ordered(self) -> Cameras:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, tuple) and value[0] > value[1]:
                raise UsageError(
                    f"The cameras' range of '{name}' runs from {value[0]} down to {value[1]}; give the lower one first."
                )
        return self

    def draw(self, generator: np.random.Generator) -> Camera:
        """Draw one camera."""
        demosaic: Literal["bilinear", "malvar"] | None = "bilinear" if generator.random() < self.bilinear else "malvar"
        if generator.random() < self.unfiltered:
            demosaic = None
        share = generator.uniform(*self.matrix)
        rows = np.eye(3) * (1 - share) + _USUAL_MATRIX * share  # each row still sums to 1
        fields: dict[str, Any] = {
            "iso": float(np.exp(generator.uniform(*np.log(self.iso)))),
            "lens_blur": generator.uniform(*self.lens_blur),
            "white_balance": (generator.uniform(*self.red), 1.0, generator.uniform(*self.blue)),
            "color_matrix": tuple(tuple(float(value) for value in row) for row in rows),
            "demosaic": demosaic,
            "gamma": generator.random() >= self.linear,
        }
        if generator.random() < self.processed:
            fields |= {name: generator.uniform(*getattr(self, name)) for name in ("smooth", "smooth_color", "sharpen")}
            fields["jpeg"] = int(generator.integers(self.jpeg[0], self.jpeg[1] + 1))
        # draws no number if there are none, so that older recipes draw the same cameras
        if self.sharp and demosaic is None and generator.random() < self.sharp:
            fields["lens_blur"] = 0.0
        return Camera(**fields)

    def pair(self, scene: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """A picture of the scene by a random camera, in steps of 8 bits, and the same picture without noise and JPEG.

        Args:
            scene: (H, W, 3) or gray (H, W), float32 in 0..1, sRGB, with as little noise as possible.
            generator: of camera, exposure and noise.

        Returns:
            Noisy and clean, float32 in 0..1, each of the shape of the scene. If a color scene was taken in black and
            white, its three channels are the same.
        """
        shape = scene.shape
        if self.counts and generator.random() < self.counts:  # draws no number if there are none, as for `sharp`
            noisy, clean = self._counted(color.luma(scene) if scene.ndim == 3 else scene, generator)
            return (noisy, clean) if noisy.shape == shape else (_three(noisy), _three(clean))
        camera = self.draw(generator)
        if scene.ndim == 3 and generator.random() < self.grey:
            scene = color.luma(scene)
        light = color.srgb_decode(scene) * np.float32(2 ** generator.uniform(*self.stops))
        scene = np.clip(light, 0, 1)
        if camera.gamma:
            scene = color.srgb_encode(scene)
        noisy, clean = camera.pair(scene.astype(np.float32), generator)
        noisy = np.rint(noisy * 255).astype(np.float32) / np.float32(255)
        return (noisy, clean) if noisy.shape == shape else (_three(noisy), _three(clean))

    def _counted(self, scene: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """Photon counts of a scene (H, W), and their means, both normalized as a network sees them: about 0..1."""
        import torch  # imported late, because cameras work without it

        light = scene if generator.random() < 0.5 else color.srgb_decode(scene)
        if self.dark != (1.0, 1.0) and generator.random() < 0.5:  # draws no number if none is dark, as for `sharp`
            light = light ** np.float32(generator.uniform(*self.dark))
        means = light * np.float32(np.exp(generator.uniform(*np.log(self.photons))) / max(float(light.max()), 1e-3))
        counts = generator.poisson(means).astype(np.float32)
        if generator.random() < 0.5:
            counts += np.float32(generator.uniform(*self.read_noise)) * generator.standard_normal(scene.shape, np.float32)
        scale = scale_of_values(counts) or Scale(float(counts.min()), float(counts.min()) + 1)
        noisy, clean = (scale.forward(torch.from_numpy(picture)).numpy() for picture in (counts, means.astype(np.float32)))
        return noisy, clean


def _three(grey: Array) -> Array:
    return np.repeat(grey[..., None], 3, axis=2)  # (H, W, 3)


def downscale(picture: Array, factor: int) -> Array:
    """Make a picture smaller, by means of f×f pixels in linear light, which removes noise and blur.

    Args:
        picture: (f·H, f·W, C) in sRGB, 0..1.
        factor: f.

    Returns:
        (H, W, C) in sRGB.

    Raises:
        UsageError: a side is no multiple of the factor.

    >>> downscale(np.zeros((4, 6, 3)), 2).shape
    (2, 3, 3)
    """
    height, width = picture.shape[:2]
    if height % factor or width % factor:
        raise UsageError(
            f"A picture of {height}x{width} cannot be made {factor} times smaller; crop it to a multiple of {factor}."
        )
    light = color.srgb_decode(picture)
    # Sums of strided views, because NumPy's mean over such short axes takes ten times as long.
    rows: Array = np.add.reduce([light[start::factor] for start in range(factor)])  # (H, f·W, C)
    means: Array = np.add.reduce([rows[:, start::factor] for start in range(factor)]) / factor**2  # (H, W, C)
    return color.srgb_encode(means).astype(picture.dtype)
