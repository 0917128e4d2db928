"""The pipeline from a noisy picture to its result. Arrays, batches, files and stacks all use it.

The steps, in this order:

1. Missing values and outliers are replaced for the network's eyes (`repair`).
2. Row and column noise is removed from measurements.
3. The photometry is decided once.
4. Each tile is restored: scheme, refinement, self-ensemble. Memory and precision decide the size of the tiles.
5. The bias is corrected, and values are clipped. Coarse noise that is left is removed by a pass at half the size (`half_size`).
6. `do_no_harm` limits the removal.
7. Detail and strength are applied.
8. The store converts the values back to those of the input.

Pictures come from a source of regions and results go to a store, so neither has to be in memory. Each step is in a
module of its own; this module calls them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import device, to_device

from unnoise import images
from unnoise.array_api import array_namespace
from unnoise.errors import UsageError
from unnoise.inference.bands import Progress, restore_bands
from unnoise.inference.blending import blend_stored, blends
from unnoise.inference.channels import fit_channels, unfit_channels
from unnoise.inference.dither import DitheredStore
from unnoise.inference.do_no_harm import Guard, Mask, all_kept, guards_of
from unnoise.inference.half_size import half_size_change
from unnoise.inference.kind_settings import settings_for
from unnoise.inference.negatives import positive, with_negatives
from unnoise.inference.photon_binning import binned, mix_binned, photon_step
from unnoise.inference.point_sources import PointSources, find_point_sources
from unnoise.inference.progress_halves import ProgressHalves
from unnoise.inference.region_restorer import RegionRestorer, spread
from unnoise.inference.repair import Repair, all_missing, repair
from unnoise.inference.row_noise_removal import without_row_noise
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import PlanesStore, Store
from unnoise.photometry.array_ops import clip, concat
from unnoise.photometry.array_threads import one_thread_a_product
from unnoise.photometry.bias_correction_bands import correct_bands
from unnoise.photometry.clipping import REACH_PIXELS, find_clipped, keep_clipped
from unnoise.photometry.integer_steps import steps_are_coarse, warn_of_few_steps
from unnoise.photometry.normalization import is_measured
from unnoise.photometry.photometry import Photometry
from unnoise.photometry.rescaling import Rescaling
from unnoise.regions import RegionSource

if TYPE_CHECKING:
    import torch

    from unnoise.denoisers.base import Denoiser
    from unnoise.inference.graph_network import GraphNetwork
    from unnoise.schemes.base import Scheme


@dataclass(frozen=True)
class Pipeline:
    """A trained network, the scheme that it was trained by, and how both are applied.

    >>> import torch
    >>> from unnoise import denoisers, recipes
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> pipeline = Pipeline(network, recipes.load("ap-bsn").scheme, InferenceSettings(precision="float32"))
    >>> pipeline.restore(torch.rand(1, 3, 20, 20)).shape
    torch.Size([1, 3, 20, 20])
    """

    network: Denoiser | GraphNetwork
    """On any device, with its published value range; or a graph, which needs no torch and takes NumPy arrays."""
    scheme: Scheme | None
    """None: it is in the graph."""
    settings: InferenceSettings

    @property
    def library(self) -> images.Library:
        """The kind of arrays that the network takes."""
        return library_of(self.network)

    def chain(self) -> RegionRestorer:
        """What restores regions. Raises `UsageError` if the settings ask for what the network cannot do."""
        if library_of(self.network) == "numpy":
            from unnoise.inference.onnx_chain import OnnxChain

            network: Any = self.network
            return spread(OnnxChain(network, self.settings))
        from unnoise.inference.chain import Chain

        return spread(Chain(self.network, self.scheme, self.settings))  # type: ignore[arg-type]

    def check_neighbours(self, neighbours: int) -> None:
        """Raise `UsageError` if neighbouring frames are to help and the network cannot do that."""
        if neighbours and self.library != "torch":
            raise UsageError("Neighbouring frames need PyTorch; install it and give --engine torch, or leave --neighbours out.")

    def run(self, source: PixelSource, store: Store, progress: Progress | None = None) -> Repair | None:
        """Restore a picture, or a batch, from `source` into `store`.

        Args:
            source: the noisy pixels.
            store: takes the result.
            progress: called after each tile with the number of tiles that are done and the number of all tiles.

        Returns:
            Which pixels are to get their old values back, as they are stored; None: the store holds the result.

        Raises:
            UsageError: the pixels have another kind or shape, or values that are no numbers.
            UnnoiseError: memory does not suffice for the smallest tile.
        """
        if self.settings.strength == 0:
            store.copy()
            return None
        with one_thread_a_product() if self.library == "numpy" else nullcontext():
            prepared = self.prepare(source)
            if prepared.repaired is None:
                store.copy()
                return None
            prepared.restore(prepared.rounding(store), progress)
            return prepared.repaired

    def prepare(self, source: PixelSource) -> Prepared:
        """All that is done to a picture, or a batch, before a network sees it.

        Raises:
            UsageError: as `run`.
        """
        if all_missing(source):  # there is nothing to restore, and nothing to measure
            return Prepared(self, source, source, None, [])
        pipeline = replace(self, settings=settings_for(source, self.settings))
        measured = pipeline.settings.is_measured
        # The noise of a measurement is measured below, without outliers and row noise.
        guards = [] if source.missing else pipeline.guards(source, measures_noise=not measured)
        if all_kept(guards):  # no repair: the constant regions of a label image are no gaps
            _warn(guards, source)
            return Prepared(pipeline, source, source, None, guards)
        repaired = repair(source, measured=measured, hot=pipeline.settings.hot_pixels)
        is_changed = repaired.source is not source or source.missing is not None
        photons = pipeline.photon_steps(repaired.source if source.missing else source)  # what replaces outliers is no count
        source, missing = repaired.source, source.missing
        has_row_noise = pipeline.settings.removes_row_noise and not any(photons)  # photons are counted, not read out
        seen = without_row_noise(source) if has_row_noise else source
        if measured or is_changed:
            guards = pipeline.guards(seen, missing, photons)
        _warn(guards, source)
        if all_kept(guards):
            return Prepared(pipeline, source, source, None, guards)
        return Prepared(pipeline, source, seen, repaired, guards, photons)

    def guards(
        self,
        source: PixelSource,
        missing: Mask | None = None,
        photons: Sequence[float | None] = (),
        *,
        measures_noise: bool = True,
    ) -> list[Guard]:
        """One guard for each picture; none if the removal is not bounded.

        No noise is measured in what was `missing`, and none in pictures of few photons; see `photon_steps`."""
        if not self.settings.bounded:
            return []
        measured = self.is_measured(source.layout.colours, source.dtype)
        count = len(source.read(slice(0, 1), slice(0, 1)))
        each = len(photons) // count  # pictures that the network gets of each one of the batch
        of_each = [measures_noise and not any(photons[n * each : (n + 1) * each]) for n in range(count)]
        return guards_of(source, measured=measured, force=self.settings.force, missing=missing, measures_noise=of_each)

    def is_measured(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> bool:
        """Whether such pictures are measurements, in proportion to light."""
        return self.settings.is_measured or is_measured(colours, dtype)

    def restore_into(
        self,
        source: PixelSource,
        seen: PixelSource,
        store: Store,
        progress: Progress | None,
        photons: Sequence[float | None] = (),
        guards: Sequence[Guard] = (),
    ) -> None:
        """Restore `seen`, which is `source` without its row noise, and keep what is clipped in `source`. A measurement
        with point sources is restored with them and without them. `Prepared.restore` calls this."""
        low, high = source.value_range()
        views = self.views(seen)
        # Among very few photons, those of chance look like point sources.
        stars = find_point_sources(seen) if self._by_planes(seen) and not any(photons) else None
        told = 0, 1

        def once(done: int, tiles: int) -> None:
            nonlocal told
            told = done, tiles
            if progress:
                progress(done, 2 * tiles if stars else tiles)

        photometry = self._decide(views, source.rescaling)
        if len(guards) == len(views):  # not where each channel is a picture of its own
            photometry = [
                each.with_bent_noise(guard.bent).with_half_size(self.settings.half_size * guard.coarse_share)
                for each, guard in zip(photometry, guards, strict=True)
            ]

        def write(rows: slice, restored: Any) -> None:
            first, last = max(rows.start - REACH_PIXELS, 0), min(rows.stop + REACH_PIXELS, source.size[0])
            around = source.read(slice(first, last), slice(0, source.size[1]))  # (B, C, rows, W)
            inner = slice(rows.start - first, rows.stop - first)
            noisy = around[:, :, inner]
            restored = clip(unfit_channels(to_device(restored, device(noisy)), noisy.shape), low, high)
            store.write(rows, keep_clipped(noisy, restored, _clipped(around, photometry)[:, :, inner]))

        for band_rows, band in self._bands(views, photometry, once, photons):
            for rows in source.strips(band_rows):
                write(rows, band[:, :, rows.start - band_rows.start : rows.stop - band_rows.start])
        # Progress waits where it is, and can still be stopped.
        change = half_size_change(self, RegionSource(source.size, store.read), photometry, lambda *_: once(*told))
        if change:
            with change:
                for rows in source.strips():
                    write(rows, change.added_to(rows, store.read(rows, slice(0, source.size[1]))))
        if stars:
            twice = progress and (lambda done, tiles: progress(tiles + done, 2 * tiles))
            self._join(stars, store, (low, high), twice)

    def _join(self, stars: PointSources, store: Store, ends: tuple[float, float], progress: Progress | None) -> None:
        """Restore the picture without its point sources, and join the result with the one in the store."""
        plain = stars.without()
        height, width = plain.size
        shape = plain.read(slice(0, 1), slice(0, 1)).shape[:2]
        views = self.views(plain)
        with PlanesStore((*shape, height, width), library=self.library) as restored:
            for rows, band in self._bands(views, self._decide(views, plain.rescaling), progress):
                restored.write(rows, unfit_channels(band, (*shape, rows.stop - rows.start, width)))

            def read(rows: slice) -> Any:
                return to_device(restored.read(rows, slice(0, width)), device(plain.read(slice(0, 1), slice(0, 1))))

            stars.combine(store, read, *ends)

    def _by_planes(self, source: PixelSource) -> bool:
        """Whether the network gets each channel of a measurement by itself."""
        return self.settings.is_measured and source.read(slice(0, 1), slice(0, 1)).shape[1] != 3

    def photometry_of(self, noisy: Any) -> list[Photometry]:
        """Decide the photometry of pictures in memory, (B, C, H, W): one for each picture that the network gets."""
        return self._decide(self.views(RegionSource.of(noisy)))

    def _decide(self, views: Sequence[RegionSource], rescaling: Rescaling | None = None) -> list[Photometry]:
        wanted = self.settings.bias_correction, self.settings.normalization
        return [Photometry.decide(view, *wanted, rescaling) for view in views]

    def views(self, source: RegionSource | PixelSource) -> list[RegionSource]:
        """The pictures of a source as the network takes them, (1, channels, H, W) each."""
        channels = int(self.network.sizes.get("channels", 3))
        count = len(fit_channels(source.read(slice(0, 1), slice(0, 1)), channels))

        def view(number: int) -> RegionSource:
            return RegionSource(
                source.size, lambda rows, columns: fit_channels(source.read(rows, columns), channels)[number : number + 1]
            )

        return [view(number) for number in range(count)]

    def photon_steps(self, source: RegionSource) -> list[float | None]:
        """The value of one photon in each picture that the network gets, if it has very few photons; else None."""
        return [photon_step(view) if self.settings.is_measured else None for view in self.views(source)]

    def _bands(
        self,
        views: Sequence[RegionSource],
        photometry: Sequence[Photometry],
        progress: Progress | None,
        photons: Sequence[float | None] = (),
    ) -> Iterator[tuple[slice, Any]]:
        """Restore all pictures and correct their bias, band by band: rows and (N, channels, rows, W), not clipped.

        With the value of one photon in each picture, places of very few photons come from means of 2×2 pixels."""
        bands = self.restored_bands(views, photometry, progress)
        if not any(photons):
            return bands
        means = [binned(view) for view in views]
        return mix_binned(bands, self.restored_bands(means, self._decide(means), None), views[0].size, photons)

    def restored_bands(
        self, views: Sequence[RegionSource], photometry: Sequence[Photometry], progress: Progress | None
    ) -> Iterator[tuple[slice, Any]]:
        """Restore N pictures (1, channels, H, W) and correct their bias: rows and values (N, channels, rows, W), not clipped."""
        views = [positive(view, each) for view, each in zip(views, photometry, strict=True)]
        shown = [replace(view, scale=each.normalization) for view, each in zip(views, photometry, strict=True)]
        bands = restore_bands(self.chain(), shown, progress)
        return with_negatives(correct_bands(photometry, views, bands), photometry)

    def restore(self, noisy: Any, photometry: Sequence[Photometry] | None = None, progress: Progress | None = None) -> Any:
        """Restore pictures in memory and correct their bias, without clipping and blending.

        Args:
            noisy: (B, C, H, W) in 0..1, on any device. The pictures run one after the other.
            photometry: one for each picture that the network gets; None: it is decided here.
            progress: called after each tile.

        Returns:
            (B, C, H, W) float32 in about 0..1, on the device of `noisy`.

        A network with three channels gets a grey picture three times, and its outputs are averaged. If the network has
        one channel, or the picture any other number, the channels are restored one by one."""
        views = self.views(RegionSource.of(noisy))
        xp = array_namespace(noisy)
        restored = xp.empty(tuple(noisy.shape), dtype=xp.float32, device=device(noisy))
        photometry = photometry or self._decide(views)
        for rows, band in self._bands(views, photometry, progress):
            restored[:, :, rows] = unfit_channels(to_device(band, device(noisy)), noisy[:, :, rows].shape)
        change = half_size_change(self, RegionSource.of(restored), photometry)
        if change is None:
            return restored
        with change:
            return change.added_to(slice(0, noisy.shape[-2]), restored)


@dataclass(frozen=True)
class Prepared:
    """A picture or batch that is ready for a network: without gaps, outliers and row noise.

    >>> from unnoise import denoisers, recipes
    >>> from unnoise.inference.sources import source_of_tensor
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> pipeline = Pipeline(network, recipes.load("ap-bsn").scheme, InferenceSettings())
    >>> pipeline.prepare(source_of_tensor(*images.to_tensor(np.zeros((8, 8), np.uint16)))).guards
    []
    """

    pipeline: Pipeline
    """With the settings for this kind of picture."""
    source: PixelSource
    """Without gaps and outliers."""
    seen: PixelSource
    """Without row noise too."""
    repaired: Repair | None
    """Which pixels are to get their old values back; None: the picture is left as it is."""
    guards: list[Guard]
    """One for each picture; none if the removal is not bounded."""
    photons: Sequence[float | None] = ()
    """The value of one photon in each picture that the network gets, if it has very few photons; else None."""

    def rounding(self, store: Store) -> Store:
        """A store that rounds as the stored type needs it, with a warning where its steps are too coarse."""
        if not self.pipeline.settings.is_measured or not self.source.step:
            return store
        warn_of_few_steps(self.source, self.source.step, self.source.name)
        coarse = steps_are_coarse(self.source, self.source.step)
        return DitheredStore(store, self.source.step, self.pipeline.settings.seed) if coarse else store

    def restore(self, store: Store, progress: Progress | None = None) -> None:
        """Restore the picture into `store`, and apply detail, guards and strength.

        They take as long as a fast network. So each of the two counts as half of the tiles, and can be stopped."""
        settings = self.pipeline.settings
        by_itself = settings.strength if self.seen is self.source else 1.0  # or stripes would come back as detail
        halves = ProgressHalves(progress, self.source.size[0], blends(by_itself, settings.detail, self.guards))
        self.pipeline.restore_into(self.source, self.seen, store, halves.tiles, self.photons, self.guards)
        blend_stored(self.seen, store, by_itself, settings.detail, self.guards, halves.rows)
        if self.seen is not self.source:
            blend_stored(self.source, store, settings.strength, 0.0)


def _warn(guards: Sequence[Guard], source: PixelSource) -> None:
    for guard in guards:
        guard.warn(source.name)


def library_of(network: Any) -> images.Library:
    """The kind of arrays that a network takes: torch's, unless it says another.

    >>> library_of(None)
    'torch'
    """
    return "numpy" if getattr(network, "library", "torch") == "numpy" else "torch"


def _clipped(noisy: Any, photometry: Sequence[Photometry]) -> Any:
    """Find clipped pixels by the photometry of each picture, (B, C, h, w) → (B, C, h, w) of bool."""
    cuts = [each.clipping for each in photometry]
    if len(set(cuts)) == 1:
        return find_clipped(noisy, cuts[0])
    pictures = noisy.reshape(len(cuts), 1, -1, *noisy.shape[-2:])  # (N, 1, C', h, w): in the order of `fit_channels`
    found = concat([find_clipped(picture, cut) for picture, cut in zip(pictures, cuts, strict=True)])
    return array_namespace(found).reshape(found, noisy.shape)
