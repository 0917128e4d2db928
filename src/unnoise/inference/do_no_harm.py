"""Do no harm: a guard is decided once for each picture and limits what denoising may change in it.

- Equal channels stay equal.
- Pictures without noise are left unchanged, such as masks and palettes.
- Pictures are left unchanged if their noise cannot be told from structure.
- In all other pictures, no more than the noise is removed (`bounded_removal`), and regions without noise stay exact.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from array_api_compat import device, to_device

from unnoise.array_api import array_namespace
from unnoise.errors import UnnoiseWarning
from unnoise.inference.bounded_removal import bounded_removal, cells_of
from unnoise.inference.coarse_bounds import CoarseBounds
from unnoise.inference.cut_off_bias import without_cut_off_bias
from unnoise.inference.sources import PixelSource
from unnoise.noise.coarse_noise import coarse_share
from unnoise.noise.noise_estimation import FAINT, FAINT_IN_MEASUREMENTS, estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.photon_noise import photon_noise
from unnoise.noise.small_pictures import small_picture_noise
from unnoise.noise.synthetic_images import all_channels_equal, noise_free, synthetic_kind
from unnoise.photometry.array_ops import concat
from unnoise.photometry.integer_steps import has_few_values
from unnoise.photometry.normalization import measure_scale
from unnoise.regions import RegionSource

FEW_BITS = 0.25
"""Of white: pictures of 16 bits whose values end below this may be data of up to 14 bits."""
Mask = Callable[[slice, slice], Any]
"""Reads rows and columns of a mask, (B, C, rows, columns) of bool."""
Cells = tuple[Any, Any]
"""Means of cells of a noisy picture and of what was removed from it; see `cells_of`."""


@dataclass(frozen=True)
class Guard:
    """The limits of what denoising may change in one picture."""

    noise: tuple[NoiseModel | None, ...]
    """The noise, of all channels together or of each by itself; None: the removal is not bounded by it."""
    grey: bool
    """Whether all channels are equal. Then one of them is examined and restored for all."""
    kept: str | None = None
    """Why the picture is left unchanged, as a sentence without its subject; None: it may be restored."""

    @classmethod
    def of(
        cls,
        view: RegionSource,
        *,
        step: float | None = None,
        measured: bool = False,
        measures_noise: bool = True,
        force: bool = False,
        missing: Mask | None = None,
    ) -> Guard:
        """Decide the limits for one picture.

        Args:
            view: the noisy picture, (1, C, H, W) in 0..1, or of any unit if it is a measurement.
            step: distance between values of its type, 1/255 for 8 bits; None for floats.
            measured: its values are in proportion to light, each channel by itself.
            measures_noise: whether the removal is bounded by its noise. Not for few photons: their noise is far from normal.
            force: restore any picture. The removal is not bounded where no noise can be found, as in few values.
            missing: reads which values were missing, (1, C, rows, columns) of bool. There no noise is measured.

        >>> import torch
        >>> mask = torch.zeros(1, 1, 64, 64)
        >>> mask[..., 16:48, 16:48] = 1
        >>> Guard.of(RegionSource.of(mask), step=1 / 255).kept is None
        False
        """
        channels = view.read(slice(0, 1), slice(0, 1)).shape[1]
        grey = channels > 1 and all_channels_equal(view)
        seen = RegionSource(view.size, lambda rows, columns: view.read(rows, columns)[:, :1]) if grey else view
        kind = synthetic_kind(seen, step, counts=measured)
        if kind and force:  # of few values no noise can be measured, which would bound the removal
            return cls((), grey)
        if kind:
            return cls(
                (),
                grey,
                f"has {kind}, so it was left as it is; add --force to denoise it all the same.",
            )
        noise: tuple[NoiseModel | None, ...] = ()
        if measures_noise:
            known = _without(seen, missing) if missing else seen
            noise = _of_measurement(seen, known) if measured else (_of_photograph(known),)
        if not noise or not all(each and each.is_none for each in noise):
            return cls(noise, grey)
        if force:
            return cls((), grey)
        return cls(noise, grey, _why_nothing_is_told(seen, step))

    @property
    def bent(self) -> float:
        """How far the curve of sRGB has bent the noise, −1..1; 1 where no noise was measured."""
        return self.noise[0].bent if self.noise and self.noise[0] else 1.0

    @property
    def coarse_share(self) -> float:
        """How much a second pass at half the size counts, 0..1; see `noise.coarse_noise`."""
        return coarse_share(self.noise[0]) if not self.kept and len(self.noise) == 1 and self.noise[0] else 0.0

    def warn(self, name: str) -> None:
        """Warn that the picture is left unchanged, if it is. `name` is the subject of the sentence."""
        if self.kept:
            warnings.warn(f"{name} {self.kept}", UnnoiseWarning, stacklevel=3)

    def cells(self, noisy: Any, restored: Any) -> list[Cells]:
        """What `decide_coarse` needs of a strip of a large picture, for each model of the noise."""
        return [cells_of(own, plane) for noise, own, plane in self._planes(noisy, restored) if noise]

    def decide_coarse(self, cells: Sequence[Cells], size: tuple[int, int]) -> list[CoarseBounds]:
        """What is put back at coarse scales to some rows of a picture, of `size` in pixels, for each model of the noise."""
        known = [noise for noise in self.noise if noise]
        return [CoarseBounds.of(*of_one, noise, size) for of_one, noise in zip(cells, known, strict=True)]

    def apply(self, noisy: Any, restored: Any, coarse: Sequence[CoarseBounds] | None = None) -> Any:
        """Limit a restoration, (1, C, H, W) each → (1, C, H, W). Returns `noisy` itself if the picture is left
        unchanged.

        Args:
            noisy, restored: a picture, or a strip of it.
            coarse: of the strip, from `decide_coarse`; None: decided here.
        """
        if self.kept:
            return noisy
        one_of_all = noisy[:, :1] if self.grey else noisy
        result = self._bounded(one_of_all, self._planes(noisy, restored), iter(coarse) if coarse is not None else None)
        return array_namespace(noisy).broadcast_to(result, noisy.shape) if self.grey else result

    def _planes(self, noisy: Any, restored: Any) -> list[tuple[NoiseModel | None, Any, Any]]:
        """The models of the noise, and the channels of the noisy and restored picture that each one bounds."""
        if self.grey:
            noisy, restored = noisy[:, :1], array_namespace(noisy).mean(restored, axis=1, keepdims=True)
        if len(self.noise) <= 1:
            return [((self.noise or (None,))[0], noisy, restored)]
        parts = [slice(channel, channel + 1) for channel in range(len(self.noise))]
        return [(noise, noisy[:, part], restored[:, part]) for noise, part in zip(self.noise, parts, strict=True)]

    def _bounded(
        self, noisy: Any, planes: Sequence[tuple[NoiseModel | None, Any, Any]], coarse: Iterator[CoarseBounds] | None
    ) -> Any:
        bounded = [
            _bounded_by(noise, own, plane, next(coarse) if coarse else None) if noise else plane for noise, own, plane in planes
        ]
        restored = concat(bounded, axis=1)
        exact = noise_free(noisy)
        xp = array_namespace(noisy)
        return xp.where(exact, noisy, restored) if bool(xp.any(exact)) else restored


def _bounded_by(noise: NoiseModel, noisy: Any, restored: Any, coarse: CoarseBounds | None) -> Any:
    return without_cut_off_bias(bounded_removal(noisy, restored, noise, coarse=coarse), noise)


def _why_nothing_is_told(view: RegionSource, step: float | None) -> str:
    """Without noise that can be told. Of few bits in a wider type, a network would leave and add more than the noise."""
    highest = max(float(window.max()) for window in view.sample_windows())
    if step is not None and step < 1 / 255 and highest <= FEW_BITS:
        found, white = round(highest / step), round(1 / step)
        return (
            f"was left as it is, as its values reach {found} of {white} only and no noise can be told; "
            "for data of fewer bits add --normalization picture."
        )
    return "was left as it is, as no noise can be told from its structure; add --force to denoise it all the same."


def _of_photograph(known: RegionSource) -> NoiseModel | None:
    noise = estimate_noise(known)
    return small_picture_noise(known, faint=FAINT) if noise is None else noise


def _of_measurement(view: RegionSource, known: RegionSource) -> tuple[NoiseModel | None, ...]:
    """The noise of each channel. `known` has NaN where nothing was measured."""
    found: list[NoiseModel | None] = []
    for channel in range(view.read(slice(0, 1), slice(0, 1)).shape[1]):
        scale = measure_scale(_plane(view, channel))
        plane = _plane(known, channel)
        noise = None
        if scale is not None and not has_few_values(plane):
            noise = estimate_noise(plane, scale.low, scale.high, coded=False)
            if noise is None or noise.is_none:
                noise = photon_noise(_plane(view, channel)) or noise
            if noise is None:
                noise = small_picture_noise(plane, scale.low, scale.high, faint=FAINT_IN_MEASUREMENTS)
        found.append(noise)
    return tuple(found)


def _plane(view: RegionSource, channel: int) -> RegionSource:
    return RegionSource(view.size, lambda rows, columns: view.read(rows, columns)[:, channel : channel + 1])


def _without(view: RegionSource, missing: Mask) -> RegionSource:
    """With NaN where a value is missing."""

    def read(rows: slice, columns: slice) -> Any:
        values = view.read(rows, columns)
        xp = array_namespace(values)
        gone = to_device(missing(rows, columns), device(values))[:, : values.shape[1]]
        return xp.where(gone, xp.full_like(values, math.nan), values)

    return RegionSource(view.size, read)


def all_kept(guards: Sequence[Guard]) -> bool:
    """Whether every picture is left unchanged. Without guards none is.

    >>> all_kept([Guard((), grey=False, kept="has two values.")]), all_kept([])
    (True, False)
    """
    return bool(guards) and all(guard.kept for guard in guards)


def guards_of(
    source: PixelSource, *, measured: bool, force: bool, missing: Mask | None = None, measures_noise: Sequence[bool] = ()
) -> list[Guard]:
    """Decide the limits for each picture of a batch.

    Args:
        source: the noisy pictures, (B, C, H, W).
        measured, force: see `Guard.of`.
        missing: reads which values were missing before they were filled, (B, C, rows, columns) of bool.
        measures_noise: for each picture, see `Guard.of`; empty: of all.

    Returns:
        B guards.

    >>> import numpy as np
    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> tensor, form = images.to_tensor(np.random.default_rng(0).integers(90, 110, (64, 64, 3), np.uint8))
    >>> len(guards_of(source_of_tensor(tensor, form, None), measured=False, force=False))
    1
    """
    count = len(source.read(slice(0, 1), slice(0, 1)))
    step = 1 / source.white if source.white and not measured else None  # counts may lie far apart, as a camera's gain has it

    def guard(number: int) -> Guard:
        own = slice(number, number + 1)
        view = RegionSource(source.size, lambda rows, columns: source.read(rows, columns)[own])
        gaps = (lambda rows, columns: missing(rows, columns)[own]) if missing else None
        measures = measures_noise[number] if measures_noise else True
        return Guard.of(view, step=step, measured=measured, measures_noise=measures, force=force, missing=gaps)

    return [guard(number) for number in range(count)]
