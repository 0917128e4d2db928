"""The one way from a noisy picture to its result, for arrays, batches, files and stacks alike.

The order is: photometry decided once → tiles (size by memory, precision) → scheme → refinement → self-ensemble → bias correction →
clipping → do no harm → detail → strength → back to the values that came in. Pictures come from a source of regions, and results go to
a store, so that neither need lie in memory. Each step has a module of its own; this one calls them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.bands import Progress, restore_bands
from unnoise.inference.blending import blend_stored
from unnoise.inference.chain import Chain
from unnoise.inference.channels import fit_channels, unfit_channels
from unnoise.inference.do_no_harm import Guard, guards_of
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store
from unnoise.photometry.bias_correction_bands import correct_bands
from unnoise.photometry.clipping import REACH_PIXELS, find_clipped, keep_clipped
from unnoise.photometry.integer_steps import warn_of_few_steps
from unnoise.photometry.normalization import is_measured
from unnoise.photometry.photometry import Photometry
from unnoise.photometry.rescaling import Rescaling
from unnoise.regions import RegionSource
from unnoise.schemes.base import Scheme


@dataclass(frozen=True)
class Pipeline:
    """A trained network, the scheme that it was trained by, and how both are applied."""

    network: Denoiser
    """In its own value range, on any device."""
    scheme: Scheme
    settings: InferenceSettings

    def run(self, source: PixelSource, store: Store, progress: Progress | None = None) -> None:
        """Restore a picture, or a batch, from `source` into `store`.

        Args:
            source: of the noisy pixels.
            store: for the result.
            progress: called after each tile with the number of tiles done and the number of all.

        Raises:
            UsageError: for pixels of another kind or shape, or values that are no numbers.
            UnnoiseError: when memory does not suffice for the smallest tile.
        """
        if self.settings.strength == 0:
            store.copy()
            return
        pipeline = replace(self, settings=self.settings.of_kind(source.layout.colours, source.dtype))
        guards = pipeline._guards(source)
        for guard in guards:
            guard.warn(source.name)
        if guards and all(guard.kept for guard in guards):
            store.copy()
            return
        pipeline._restore(source, store, progress)
        blend_stored(source, store, self.settings.strength, self.settings.detail, guards)

    def _guards(self, source: PixelSource) -> list[Guard]:
        """What may be done to each picture; none: anything."""
        if not self.settings.bounded:
            return []
        return guards_of(source, bounded=self.measures_noise(source.layout.colours, source.dtype), force=self.settings.force)

    def measures_noise(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> bool:
        """Whether the noise of such pictures is measured, as a bound: not of measurements, whose few counts are far from normal."""
        return not (self.settings.is_measured or is_measured(colours, dtype))

    def _restore(self, source: PixelSource, store: Store, progress: Progress | None) -> None:
        low, high = source.value_range()
        views = self._views(source)
        photometry = self._decide(views, source.rescaling)
        if self.settings.is_measured and source.white:
            warn_of_few_steps(source, source.white, source.name)
        for band_rows, band in self._bands(views, photometry, progress):
            for rows in source.strips(band_rows):
                first, last = max(rows.start - REACH_PIXELS, 0), min(rows.stop + REACH_PIXELS, source.size[0])
                around = source.read(slice(first, last), slice(0, source.size[1]))  # (B, C, rows, W)
                inner = slice(rows.start - first, rows.stop - first)
                noisy = around[:, :, inner]
                strip = band[:, :, rows.start - band_rows.start : rows.stop - band_rows.start].to(noisy.device)
                restored = unfit_channels(strip, noisy.shape).clamp(low, high)
                untouched = _clipped(around, photometry)[:, :, inner]
                store.write(rows, keep_clipped(noisy, restored, untouched))

    def photometry_of(self, noisy: Tensor) -> list[Photometry]:
        """What is decided about pictures in memory, (B, C, H, W): one for each picture that the network sees."""
        return self._decide(self._views(RegionSource.of(noisy)))

    def _decide(self, views: Sequence[RegionSource], rescaling: Rescaling | None = None) -> list[Photometry]:
        wanted = self.settings.bias_correction, self.settings.normalization
        return [Photometry.decide(view, *wanted, rescaling) for view in views]

    def _views(self, source: RegionSource | PixelSource) -> list[RegionSource]:
        """The pictures of a source as the network takes them, one by one: (1, channels, H, W) each."""
        channels = self.network.sizes.get("channels", 3)
        count = len(fit_channels(source.read(slice(0, 1), slice(0, 1)), channels))

        def view(number: int) -> RegionSource:
            return RegionSource(
                source.size, lambda rows, columns: fit_channels(source.read(rows, columns), channels)[number : number + 1]
            )

        return [view(number) for number in range(count)]

    def _bands(
        self, views: Sequence[RegionSource], photometry: Sequence[Photometry], progress: Progress | None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Rows of all pictures as the network and the bias correction make them, (N, channels, rows, W), not clipped."""
        shown = [replace(view, scale=each.normalization) for view, each in zip(views, photometry, strict=True)]
        bands = restore_bands(Chain(self.network, self.scheme, self.settings), shown, progress)
        return correct_bands(photometry, views, bands)

    def restore(
        self, noisy: Tensor, photometry: Sequence[Photometry] | None = None, progress: Progress | None = None
    ) -> Tensor:
        """What the network and the bias correction make of pictures in memory, before clipping and blending.

        Args:
            noisy: (B, C, H, W), values in 0..1, on any device; the pictures run one after the other.
            photometry: of each picture that the network sees; None: decided here.
            progress: called after each tile.

        Returns:
            (B, C, H, W) float32 in about 0..1, on the device of `noisy`.

        A network of three channels gets a grey picture three times, and its outputs are averaged. A network of one channel, and pictures
        with any other number, go channel by channel.
        """
        views = self._views(RegionSource.of(noisy))
        restored = torch.empty_like(noisy, dtype=torch.float32, memory_format=torch.contiguous_format)
        for rows, band in self._bands(views, photometry or self._decide(views), progress):
            restored[:, :, rows] = unfit_channels(band.to(noisy.device), noisy[:, :, rows].shape)
        return restored


def _clipped(noisy: Tensor, photometry: Sequence[Photometry]) -> Tensor:
    """`find_clipped`, by the photometry of each picture."""
    cuts = [each.clipping for each in photometry]
    if len(set(cuts)) == 1:
        return find_clipped(noisy, cuts[0])
    pictures = noisy.reshape(len(cuts), 1, -1, *noisy.shape[-2:])  # (N, 1, C', h, w): as `fit_channels` divides them
    return torch.cat([find_clipped(picture, cut) for picture, cut in zip(pictures, cuts, strict=True)]).reshape(noisy.shape)
