"""A simulated camera: takes a clean picture and gives it back as a camera would have shot it, noise and all.

Noise is easy to add and hard to add as cameras do. Theirs arises on the sensor, in linear light, where it is white and grows
with the signal; then all that turns a raw exposure into a picture works on noise and picture alike. So the clean picture is
first taken back to the sensor, and the noise goes the whole way:

1. *back to the sensor* (`color`): undo gamma, colour matrix and white balance;
2. *exposure* (`filters`, `color_filter`, `sensor`): the lens's blur, one colour a pixel, shot and read noise, var = a·x + b;
3. *development* (`color_filter`, `color`, `filters`, `jpeg`): white balance, demosaicing, colour matrix, gamma, smoothing of
   colour and of all, sharpening, JPEG.

Demosaicing mixes neighbours, so the noise becomes spatially correlated; the colour matrix mixes channels, so it becomes
coloured; gamma stretches the shadows, so that is where it shows. `develop` sends the clean picture the same way without noise.
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
    """A camera's settings; `shoot` takes a picture with it."""

    noun: ClassVar[str] = "camera"

    iso: Annotated[float, Field(gt=0, le=1_000_000)] = 1600
    """How far the signal is amplified, hence how little light there was; the noise's a is `gain`·iso/100. 100: noise is hardly
    visible; 12 800: about 26 dB of PSNR on an ordinary picture."""
    gain: Annotated[float, Field(gt=0, le=1)] = 2.5e-5
    """The noise's a at ISO 100: one over the electrons that saturate a pixel. The default is a mid-sized sensor's; a phone's
    is 1e-4, a full-frame camera's 1.5e-5. The range of Brooks et al., a from 0.0001 to 0.012, is ISO 400 to 48 000 here."""
    read_noise: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of the read noise in electrons, so that b = (a·read_noise)²; None: the b of a typical camera with this
    a, `sensor.typical_read_variance`, which comes to about one electron."""
    bits: Annotated[int, Field(ge=4, le=16)] | None = None
    """Depth of the raw values; None: not quantised."""
    lens_blur: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Standard deviation in pixels of the blur of the lens and its low-pass filter. 0: none; then detail finer than a lens
    draws makes false colours in demosaicing."""
    bayer: Pattern = "RGGB"
    """The colour filter's first two rows, where there is one."""
    demosaic: Method | None = "malvar"
    """How missing colours are guessed: *bilinear* (smooth, coarse noise) or *malvar* (sharp, finer and stronger noise). None: there is
    no colour filter, and each pixel sees all colours, so that its noise is its own: cameras of microscopes and telescopes, scanners."""
    white_balance: tuple[Gain, Gain, Gain] = (2.0, 1.0, 1.6)
    """What red, green and blue are multiplied by; daylight on a typical sensor. Higher gains make a channel noisier."""
    color_matrix: tuple[Row, Row, Row] | None = ((1.6, -0.5, -0.1), (-0.25, 1.5, -0.25), (0.0, -0.5, 1.5))
    """From white-balanced camera colours to linear sRGB, row by row; each row sums to 1, so that greys stay grey. None: the
    camera sees in sRGB. The default is made up in the manner of real ones."""
    gamma: bool = True
    """Whether pictures are displayed values with sRGB's transfer function; False: they are linear light and stay so."""
    smooth_color: Annotated[float, Field(ge=0, le=8)] = 0.0
    """Standard deviation in pixels of the blur on colour, not brightness, that stands for a camera's own noise reduction; it
    makes coarse blotches of colour noise. 0: none; 1 to 3 resembles the JPEG files of cameras."""
    smooth: Annotated[float, Field(ge=0, le=8)] = 0.0
    """Standard deviation in pixels of the blur on the whole picture that stands for a camera's own noise reduction and for pictures
    that were enlarged; it makes noise coarse, and `sharpen` gives edges back. 0: none."""
    sharpen: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Amount of unsharp masking with a Gaussian blur of one pixel: y + amount·(y − blur(y)). 0: none; 0.5 to 1.5 is usual."""
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = None
    """Quality of the JPEG file that the picture went through; below 90 colour is halved in resolution. None: no JPEG."""

    @field_validator("color_matrix")
    @classmethod
    def _check_matrix(cls, value: tuple[Row, Row, Row] | None) -> tuple[Row, Row, Row] | None:
        if value is not None:
            if any(abs(sum(row) - 1) > 1e-3 for row in value):
                raise ValueError("each row must sum to 1, or greys would not stay grey")
            if abs(np.linalg.det(value)) < 1e-3:
                raise ValueError("the matrix must be invertible")
        return value

    @property
    def noise_levels(self) -> tuple[float, float]:
        """(a, b) of the raw values' variance a·x + b, with x = 1 where the sensor saturates."""
        shot = self.gain * self.iso / 100
        read = sensor.typical_read_variance(shot) if self.read_noise is None else (shot * self.read_noise) ** 2
        return shot, read

    def shoot(self, clean: Array, seed: int | np.random.Generator) -> Array:
        """The picture as this camera would have shot it.

        Args:
            clean: a picture without noise, (H, W, 3) in sRGB or (H, W) grey, uint8, uint16 or float in 0..1. A grey one is a
                grey scene before the same colour camera, set to black and white: what comes back is the luma.
            seed: a number, with which the same picture always gets the same noise, or a generator to draw from.

        Returns:
            An array of the same shape and type.

        Raises:
            UsageError: for an array that is no such picture, or a negative seed.
            UnnoiseError: where JPEG is asked for and pyvips is absent.
        """
        if not isinstance(seed, np.random.Generator) and (not isinstance(seed, int | np.integer) or seed < 0):
            raise UsageError(f"The seed must be a whole number of 0 or more, or a numpy Generator, got {seed!r}.")
        return self._take(clean, np.random.default_rng(seed))

    def develop(self, clean: Array) -> Array:
        """The picture as this camera would have shot it with endless light: every step but noise and rounding of raw values.

        This is the truth to score a denoised picture against. The clean picture itself is not: lens and demosaicing have
        softened edges, highlights have blown out, sharpening has raised the contrast, JPEG has spread the colours, and none of
        that is noise. The mean of many shots comes close to it, with two exceptions: where values were cut at black or white,
        and where noise is strong, since gamma is bent and makes that mean darker.

        Arguments, result and errors are those of `shoot`.
        """
        return self._take(clean, None)

    def pair(self, clean: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """`shoot` and, of the same exposure, `develop` without JPEG: a noisy picture and its truth, quicker than one by one.

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
        """Raw values with a margin → the picture in 0..1, (H, W, 3) or of two dimensions (H, W)."""
        picture = self._process(raw)
        if dimensions == 2:
            picture = color.luma(picture)
        if jpeg is not None:
            from unnoise.simulation.jpeg import jpeg_round_trip

            picture = jpeg_round_trip(picture, jpeg)
        return picture

    def _expose(self, picture: Array) -> Array:
        """(H, W, 3) or (H, W) in 0..1 → raw values without noise, (H + 2·margin, W + 2·margin): the sensor is larger than the picture.

        Without a colour filter, (H + 2·margin, W + 2·margin, 3).
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
        """Raw values, (H, W) or (H, W, 3) → camera colours after the white balance, (H, W, 3)."""
        # Cut at white before demosaicing, or the unequal gains of blown highlights would bleed, magenta, into their edges.
        gains = np.array(self.white_balance, raw.dtype)
        if self.demosaic is None:
            return np.minimum(raw * gains, 1)
        filtered = color_filter.mosaic(np.broadcast_to(gains, (*raw.shape, 3)), self.bayer)
        return color_filter.demosaic(np.minimum(raw * filtered, 1), self.bayer, self.demosaic)

    @property
    def _margin(self) -> int:
        """As far as blurs and demosaicing look together; even, so that the pattern starts at the picture."""
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
