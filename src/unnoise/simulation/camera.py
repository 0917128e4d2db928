"""A simulated camera. It takes a clean picture and gives it back as a camera would have shot it, with realistic noise.

The noise of cameras arises on the sensor, in linear light. There it is white and grows with the signal. Then the
processing from raw values to a picture changes noise and picture alike. So the clean picture is first taken back to the
sensor, and the noise goes through all steps:

1. *back to the sensor* (`color`): undo gamma, color matrix and white balance;
2. *exposure* (`filters`, `demosaic`, `sensor`): blur of the lens, one color for each pixel, shot and read noise, var =
   a·x + b;
3. *development* (`demosaic`, `color`, `filters`, `jpeg`): white balance, demosaicing, color matrix, gamma, smoothing of
   color and of the whole picture, sharpening, JPEG.

Demosaicing mixes neighbors, so the noise becomes spatially correlated. The color matrix mixes channels, so the noise
becomes colored. Gamma stretches the shadows, so the noise is most visible there. `develop` processes the clean picture
in the same way without noise.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from unnoise.errors import UsageError
from unnoise.images.pixels import to_unit_float
from unnoise.layers.gaussian_blur import kernel_radius
from unnoise.simulation import color, filters, sensor
from unnoise.simulation import demosaic as color_filter
from unnoise.simulation.demosaic import Method, Pattern
from unnoise.simulation.settings import SimulationSettings

Array = NDArray[Any]
Gain = Annotated[float, Field(ge=1, le=16)]
Row = tuple[float, float, float]


class Camera(SimulationSettings):
    """The settings of a camera. `shoot` takes a picture with it.

    >>> scene = np.full((16, 16, 3), 0.5, np.float32)
    >>> shot = Camera(iso=6400).shoot(scene, seed=1)
    >>> shot.shape, bool(shot.std() > 0.01)
    ((16, 16, 3), True)
    """

    noun: ClassVar[str] = "camera"

    iso: Annotated[float, Field(gt=0, le=1_000_000)] = 1600
    """Amplification of the signal, and so how little light there was. The a of the noise is `gain`·iso/100.

    At 100 noise is hardly visible; at 12 800 an ordinary picture has a PSNR of about 26 dB."""
    gain: Annotated[float, Field(gt=0, le=1)] = 2.5e-5
    """The a of the noise at ISO 100: one over the number of electrons that saturate a pixel.

    The default is that of a mid-sized sensor; a phone has 1e-4, a full-frame camera 1.5e-5. The range of Brooks et al.,
    a from 0.0001 to 0.012, is ISO 400 to 48 000 here."""
    read_noise: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of the read noise in electrons: b = (a·read_noise)².

    None: the b of a typical camera with this a, `sensor.typical_read_variance`, which is about one electron."""
    bits: Annotated[int, Field(ge=4, le=16)] | None = None
    """Depth of the raw values. None: not quantized."""
    lens_blur: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Standard deviation in pixels of the blur of the lens and its low-pass filter.

    0: none. Detail finer than a lens can show then causes false colors in demosaicing."""
    bayer: Pattern = "RGGB"
    """The first two rows of the color filter, if there is one."""
    demosaic: Method | None = "malvar"
    """How missing colors are interpolated: *bilinear* (smooth, coarse noise) or *malvar* (sharp, finer and stronger
        noise).

    None: there is no color filter, and every pixel sees all colors, so its noise is its own. Cameras of microscopes and
        telescopes and
    scanners are like this."""
    white_balance: tuple[Gain, Gain, Gain] = (2.0, 1.0, 1.6)
    """Gains of red, green and blue; the default is daylight on a typical sensor. A higher gain makes a channel
    noisier."""
    color_matrix: tuple[Row, Row, Row] | None = ((1.6, -0.5, -0.1), (-0.25, 1.5, -0.25), (0.0, -0.5, 1.5))
    """From white-balanced camera colors to linear sRGB, row by row. Each row sums to 1, so that grays stay gray.

    None: the camera sees in sRGB. The default is invented, but like real ones."""
    gamma: bool = True
    """Whether pictures are display values with sRGB's transfer function. False: they are linear light."""
    smooth_color: Annotated[float, Field(ge=0, le=8)] = 0.0
    """Standard deviation in pixels of a blur of color, not of brightness, like a camera's own noise reduction.

    It makes coarse blotches of color noise. 0: none; 1 to 3 is like the JPEG files of cameras."""
    smooth: Annotated[float, Field(ge=0, le=8)] = 0.0
    """Standard deviation in pixels of a blur of the whole picture, like a camera's own noise reduction or an enlarged
    picture.

    It makes noise coarse, and `sharpen` restores the edges. 0: none."""
    sharpen: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Amount of unsharp masking with a Gaussian blur of one pixel: y + amount·(y − blur(y)). 0: none; 0.5 to 1.5 is
    usual."""
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = None
    """Quality of the JPEG file. Below 90 the resolution of color is halved. None: no JPEG."""

    @field_validator("color_matrix")
    @classmethod
    def _check_matrix(cls, value: tuple[Row, Row, Row] | None) -> tuple[Row, Row, Row] | None:
        if value is not None:
            if any(abs(sum(row) - 1) > 1e-3 for row in value):
                raise ValueError("each row must sum to 1, or grays would not stay gray")
            if abs(np.linalg.det(value)) < 1e-3:
                raise ValueError("the matrix must be invertible")
        return value

    @property
    def noise_levels(self) -> tuple[float, float]:
        """(a, b) of the variance a·x + b of the raw values, with x = 1 where the sensor saturates."""
        shot = self.gain * self.iso / 100
        read = sensor.typical_read_variance(shot) if self.read_noise is None else (shot * self.read_noise) ** 2
        return shot, read

    def shoot(self, clean: Array, seed: int | np.random.Generator) -> Array:
        """The picture as this camera would have shot it.

        Args:
            clean: a picture without noise, (H, W, 3) in sRGB or (H, W) gray, uint8, uint16 or float in 0..1. A gray
                picture is a gray scene in front of the same color camera, set to black and white: the result is its
                luma.
            seed: a number, with which the same picture always gets the same noise, or a generator.

        Returns:
            An array of the same shape and type.

        Raises:
            UsageError: the array is no such picture, or the seed is negative.
            UnnoiseError: JPEG is asked for, and pyvips is missing.
        """
        if not isinstance(seed, np.random.Generator) and (not isinstance(seed, int | np.integer) or seed < 0):
            raise UsageError(f"The seed must be a whole number of 0 or more, or a numpy Generator, got {seed!r}.")
        return self._take(clean, np.random.default_rng(seed))

    def develop(self, clean: Array) -> Array:
        """The picture as this camera would have shot it with unlimited light: all steps except noise and rounding of
        raw values.

        Compare a denoised picture with this and not with the clean picture. Lens and demosaicing soften edges,
        highlights clip, sharpening raises the contrast, and JPEG spreads colors; none of that is noise. The mean of
        many shots comes close to it, with two exceptions: values that were clipped at black or white, and strong noise,
        whose mean gamma makes darker.

        Arguments, result and errors are those of `shoot`.
        """
        return self._take(clean, None)

    def pair(self, clean: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """A noisy picture and its clean version, from one exposure: `shoot`, and `develop` without JPEG. Faster than
        one by one.

        Arguments, results and errors are those of `shoot`.
        """
        picture = _to_float(clean)
        light = self._expose(picture)
        shot = self._finish(self._measured(light, generator), picture.ndim, self.jpeg)
        return _to_type(shot, clean.dtype), _to_type(self._finish(light, picture.ndim, None), clean.dtype)

    def _take(self, clean: Array, generator: np.random.Generator | None) -> Array:
        picture = _to_float(clean)
        light = self._expose(picture)
        raw = light if generator is None else self._measured(light, generator)
        return _to_type(self._finish(raw, picture.ndim, self.jpeg), clean.dtype)

    def _measured(self, light: Array, generator: np.random.Generator) -> Array:
        return sensor.expose(light, *self.noise_levels, generator, self.bits)

    def _finish(self, raw: Array, dimensions: int, jpeg: int | None) -> Array:
        """Raw values with a margin → the picture in 0..1, (H, W, 3), or (H, W) for two `dimensions`."""
        picture = self._process(raw)
        if dimensions == 2:
            picture = color.luma(picture)
        if jpeg is not None:
            from unnoise.simulation.jpeg import jpeg_round_trip

            picture = jpeg_round_trip(picture, jpeg)
        return picture

    def _expose(self, picture: Array) -> Array:
        """A picture (H, W, 3) or (H, W) in 0..1 → raw values without noise. The sensor is larger than the picture by a
        margin.

        Returns:
            (H + 2·margin, W + 2·margin), or (H + 2·margin, W + 2·margin, 3) without a color filter.
        """
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=-1)  # (H, W, 3)
        margin = self._margin
        picture = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
        linear = color.srgb_decode(picture) if self.gamma else picture
        light = color.to_sensor(linear, np.array(self.white_balance), self._matrix)
        light = filters.blur(light, self.lens_blur)
        return light if self.demosaic is None else color_filter.mosaic(light, self.bayer)

    def _process(self, raw: Array) -> Array:
        """Raw values with a margin → the picture (H, W, 3) in 0..1."""
        picture = color.to_display_light(self._balanced(raw), self._matrix)
        if self.gamma:
            picture = color.srgb_encode(picture)
        if self.smooth_color:
            picture = filters.smooth_color(picture, self.smooth_color)
        if self.smooth:
            picture = filters.blur(picture, self.smooth)
        if self.sharpen:
            picture = filters.sharpen(picture, self.sharpen)
        margin = self._margin
        return picture[margin:-margin, margin:-margin]

    def _balanced(self, raw: Array) -> Array:
        """Raw values, (H, W) or (H, W, 3) → camera colors after the white balance, (H, W, 3)."""
        # Clip at white before demosaicing. Otherwise the unequal gains of clipped highlights give magenta edges.
        gains = np.array(self.white_balance, raw.dtype)
        if self.demosaic is None:
            return np.minimum(raw * gains, 1)
        filtered = color_filter.mosaic(np.broadcast_to(gains, (*raw.shape, 3)), self.bayer)
        return color_filter.demosaic(np.minimum(raw * filtered, 1), self.bayer, self.demosaic)

    @property
    def _margin(self) -> int:
        """How far all blurs and demosaicing reach together. It is even, so that the color filter starts at the
        picture."""
        needed = kernel_radius(self.lens_blur) + 2 + kernel_radius(self.smooth_color)
        needed += kernel_radius(self.smooth) + kernel_radius(filters.SHARPENING_SIGMA_PIXELS)
        return needed + needed % 2

    @property
    def _matrix(self) -> Array:
        return np.eye(3) if self.color_matrix is None else np.array(self.color_matrix)


def _to_float(clean: Array) -> Array:
    if (
        not isinstance(clean, np.ndarray)
        or not (clean.ndim == 2 or (clean.ndim == 3 and clean.shape[2] == 3))
        or clean.size == 0
    ):
        shape = clean.shape if isinstance(clean, np.ndarray) else type(clean).__name__
        raise UsageError(
            f"Expected a numpy array of shape (H, W, 3) or (H, W), got {shape}; take alpha off and give one picture at a time."
        )
    if clean.dtype in (np.uint8, np.uint16):
        return to_unit_float(clean)
    if not np.issubdtype(clean.dtype, np.floating):
        raise UsageError(f"Expected a picture of uint8, uint16 or float, got {clean.dtype}; convert it first.")
    low, high = clean.min(), clean.max()
    if not (low >= 0 and high <= 1):
        raise UsageError(f"Expected a float picture in 0..1, got values from {low:g} to {high:g}; scale it first.")
    return clean.astype(np.float64 if clean.dtype.itemsize > 4 else np.float32)


def _to_type(picture: Array, dtype: np.dtype[Any]) -> Array:
    if dtype in (np.uint8, np.uint16):
        picture = np.rint(picture * np.iinfo(dtype).max)
    return picture.astype(dtype)
