"""Denoising with neighbouring frames: each frame of a stack is restored with the help of those before and after it.

1. Every frame is restored by itself.
2. The noisy neighbours are matched in brightness and averaged with the frame, as far as they show the same
   (`neighbour_weights`). The average has less noise and is restored too.
3. The restored neighbours are averaged with the restored frame by the same weights.

The second result counts where most neighbours do, the third elsewhere: a network takes the stronger noise of places
without neighbours for structure. Where no neighbour counts, the frame is as it would be by itself, so what has moved or
vanished leaves no ghost. A step at one frame stays at that frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from unnoise.inference.bands import Progress
from unnoise.inference.frame_grid import FrameGrid
from unnoise.inference.neighbour_weights import (
    ALIGN_PIXELS,
    HALO_PIXELS,
    BrightnessMatch,
    FrameSample,
    NoiseByBrightness,
    neighbour_weight,
)
from unnoise.inference.pipeline import Pipeline, Prepared
from unnoise.inference.repair import Repair
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import PlanesStore, Store
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.noise_sampling import white_part
from unnoise.photometry.rescaling import Rescaling
from unnoise.regions import RegionSource

FEW_SHARE = 0.25
"""With this share of the neighbours, or fewer, the restored average does not count."""
SHARE_SIGMA_PIXELS = 1.5
"""Standard deviation of the Gaussian by which the number of neighbours that count is smoothed."""

OpenSource = Callable[[int, ExitStack], PixelSource]
"""Opens a frame by its number; what the stack holds is closed when the frame is no longer needed."""


class NeighbourPipeline:
    """Restores the frames of a stack in their order, each with its neighbours. At most as many frames are held as lie
    between the first and the last neighbour.

    Args:
        pipeline: as for single pictures.
        grid: which frames are neighbours.
        open_source: opens a frame; each is opened once.
        folder: where large frames are put aside; None: where the system keeps temporary files.

    >>> from unnoise import denoisers, images, recipes
    >>> from unnoise.inference.settings import InferenceSettings
    >>> from unnoise.inference.sources import source_of_tensor
    >>> from unnoise.inference.stores import TensorStore
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> pipeline = Pipeline(network, recipes.load("ap-bsn").scheme, InferenceSettings(precision="float32"))
    >>> frames = [images.to_tensor(torch.rand(20, 20)) for _ in range(3)]
    >>> with NeighbourPipeline(pipeline, FrameGrid((3,), 0, 1), lambda n, _: source_of_tensor(*frames[n])) as stack:
    ...     stores = [TensorStore(noisy) for noisy, _ in frames]
    ...     for number, store in enumerate(stores):
    ...         _ = stack.run(number, store)
    >>> stores[0].tensor.shape
    torch.Size([1, 1, 20, 20])
    """

    def __init__(self, pipeline: Pipeline, grid: FrameGrid, open_source: OpenSource, folder: Path | None = None) -> None:
        self.pipeline, self.grid, self.folder = pipeline, grid, folder
        self._open_source = open_source
        self._sources: dict[int, tuple[PixelSource, ExitStack]] = {}
        self._held: dict[int, _Frame] = {}

    def run(self, index: int, store: Store, progress: Progress | None = None) -> Repair | None:
        """Restore a frame into `store`. What is returned and raised is that of `Pipeline.run`."""
        if self.pipeline.settings.strength == 0:
            store.copy()
            return None
        self._forget_before(index)
        wanted = [number for number in sorted({index, *self.grid.neighbours(index)}) if number not in self._held]
        passes = len(wanted) + 1
        for done, number in enumerate(wanted):
            self._held[number] = self._frame(number, _part(progress, done, passes))
        frame = self._held[index]
        if frame.prepared.repaired is None:
            store.copy()
            return None
        others = [self._held[number] for number in self.grid.neighbours(index)]
        others = [other for other in others if other.fits(frame)]
        rounding = frame.prepared.rounding(store)
        last = _part(progress, passes - 1, passes)
        _combine(frame, others, rounding, self.pipeline.settings.strength, self.folder, last)
        return frame.prepared.repaired

    def open(self, number: int) -> PixelSource:
        """Open a frame, unless it is open. It stays so until a frame is restored of which it is no neighbour."""
        if number not in self._sources:
            stack = ExitStack()
            self._sources[number] = self._open_source(number, stack), stack
        return self._sources[number][0]

    def _forget_before(self, index: int) -> None:
        """Close the frames that are not needed from this one on."""
        for number in [number for number in self._sources if self.grid.last_use(number) < index]:
            if number in self._held:
                self._held.pop(number).restored.close()
            self._sources.pop(number)[1].close()

    def close(self) -> None:
        """Close all frames that are held."""
        self._forget_before(len(self.grid))

    def __enter__(self) -> NeighbourPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frame(self, number: int, progress: Progress | None) -> _Frame:
        whole = replace(self.pipeline, settings=replace(self.pipeline.settings, strength=1.0))
        prepared = whole.prepare(self.open(number))
        shape = torch.Size((*prepared.seen.read(slice(0, 1), slice(0, 1)).shape[:2], *prepared.source.size))
        with ExitStack() as stack:
            restored = stack.enter_context(PlanesStore(shape, prepared.source, self.folder))
            if prepared.repaired is None:
                restored.copy()
            else:
                prepared.restore(restored, progress)
            stack.pop_all()
        return _Frame(prepared, restored, FrameSample.of(prepared.seen))


@dataclass(frozen=True)
class _Frame:
    """A frame, and its result without neighbours."""

    prepared: Prepared
    restored: PlanesStore
    sample: FrameSample

    def fits(self, other: _Frame) -> bool:
        """Whether it can be a neighbour of another frame: of the same kind and size, and with noise."""
        alike = self.restored.shape == other.restored.shape and self.prepared.source.dtype == other.prepared.source.dtype
        return alike and self.prepared.repaired is not None

    def noise_models(self) -> list[NoiseModel | None]:
        """The noise of each plane, for its correlation."""
        measured = self.prepared.pipeline.settings.is_measured
        models = []
        for plane in self.sample.windows:
            view = RegionSource.of(torch.cat(list(plane), dim=-1)[None, None])
            low, high = (value.item() for value in plane.aminmax()) if measured else (0.0, 1.0)
            found = estimate_noise(view, low, high, coded=not measured) if high > low else None
            models.append(white_part(found) if found and measured else found)
        return models

    def counted(self, rows: slice, columns: slice) -> Tensor:
        """1 where a pixel was measured, 0 where it is a gap or an outlier, (B, 1, rows, columns)."""
        repaired = self.prepared.repaired
        assert repaired is not None
        return 1 - repaired.kept(rows, columns).amax(1, keepdim=True).float()


@dataclass(frozen=True)
class _Neighbour:
    """A neighbour that was matched with a frame. All its values are scaled as those of the frame."""

    frame: _Frame
    units: tuple[float, float]
    """Factor and offset of values of the neighbour, which may be rescaled in another way."""
    sample: FrameSample
    match: BrightnessMatch

    @classmethod
    def of(cls, other: _Frame, frame: _Frame) -> _Neighbour:
        units = _change_of_units(other.prepared.source.rescaling, frame.prepared.source.rescaling)
        sample = other.sample if units == (1.0, 0.0) else FrameSample(other.sample.windows * units[0] + units[1])
        return cls(other, units, sample, BrightnessMatch.between(frame.sample, sample))

    def read(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Noisy values as they are, and restored ones as bright as the frame; (B, C, rows, columns)."""
        noisy = self.frame.prepared.seen.read(rows, columns)
        clean = self.frame.restored.read(rows, columns).to(noisy.device)
        if self.units != (1.0, 0.0):
            noisy, clean = (each * self.units[0] + self.units[1] for each in (noisy, clean))
        return noisy, self.match.apply(clean)


def _change_of_units(given: Rescaling | None, wanted: Rescaling | None) -> tuple[float, float]:
    """Factor and offset from values in one rescaling to those in another."""
    if given == wanted:
        return 1.0, 0.0
    given, wanted = (each or Rescaling(0.0, 1.0) for each in (given, wanted))
    return wanted.factor / given.factor, (given.shift - wanted.shift) * wanted.factor


def _combine(
    frame: _Frame, others: list[_Frame], store: Store, strength: float, folder: Path | None, progress: Progress | None
) -> None:
    """Join a frame with its neighbours, and write the result."""
    size, source = frame.restored.shape, frame.prepared.source
    everywhere = slice(0, size[3])
    if not others:
        for rows in source.strips():
            _write(store, rows, frame, frame.restored.read(rows, everywhere), strength)
        return
    neighbours = [_Neighbour.of(other, frame) for other in others]
    noise = NoiseByBrightness.measure(
        frame.sample,
        [(each.sample, each.match) for each in neighbours],
        frame.noise_models(),
        linear=frame.prepared.pipeline.settings.is_measured,
    )
    with (
        PlanesStore(size, None, folder) as averaged,
        PlanesStore(size, None, folder) as joined,
        PlanesStore(torch.Size((size[0], 1, *size[2:])), None, folder) as share,
        PlanesStore(size, None, folder) as second,
    ):
        for rows in _strips(source):
            parts = _averages(frame, neighbours, noise, rows)
            for kept, part in zip((averaged, joined, share), parts, strict=True):
                kept.write(rows, part)
        device = source.read(slice(0, 1), slice(0, 1)).device
        calm = replace(
            frame.prepared.seen,
            read=lambda rows, columns: averaged.read(rows, columns).to(device),
            white=0,
            whole_numbers=False,
            missing=None,
        )
        pipeline = frame.prepared.pipeline
        forced = replace(pipeline, settings=replace(pipeline.settings, force=True))
        guards = forced.guards(calm, photons=pipeline.photon_steps(calm)) if frame.prepared.guards else []
        replace(frame.prepared, source=calm, seen=calm, guards=guards).restore(second, progress)
        for rows in source.strips():
            mixed = joined.read(rows, everywhere).lerp(second.read(rows, everywhere), share.read(rows, everywhere))
            _write(store, rows, frame, mixed, strength)


def _averages(frame: _Frame, neighbours: list[_Neighbour], noise: NoiseByBrightness, rows: slice) -> list[Tensor]:
    """The average of noisy frames and of restored ones, (B, C, rows, W), and how much the first counts, (B, 1, rows, W)."""
    height, width = frame.prepared.source.size
    columns = slice(0, width)
    around = slice(max(rows.start - HALO_PIXELS, 0), min(rows.stop + HALO_PIXELS, height))
    inner = slice(rows.start - around.start, rows.stop - around.start)
    x = frame.prepared.seen.read(around, columns)
    noisy, restored = x.clone(), frame.restored.read(around, columns).to(x.device)
    number = torch.ones_like(x[:, :1])
    own = frame.counted(around, columns)
    for neighbour in neighbours:
        y, clean = neighbour.read(around, columns)
        weight = neighbour_weight(x, y, neighbour.match, noise) * neighbour.frame.counted(around, columns) * own
        noisy += weight * neighbour.match.apply(y)
        restored = restored + weight * clean
        number += weight
    few = FEW_SHARE * len(neighbours)
    share = ((gaussian_blur(number, SHARE_SIGMA_PIXELS) - 1 - few) / (len(neighbours) - few)).clamp(0, 1)
    return [part[..., inner, :] for part in (noisy / number, restored / number, share)]


def _write(store: Store, rows: slice, frame: _Frame, result: Tensor, strength: float) -> None:
    """Write rows of a result. Pixels that stay as they are in a frame by itself, such as clipped ones, stay so."""
    columns = slice(0, result.shape[-1])
    noisy = frame.prepared.source.read(rows, columns)
    alone = frame.restored.read(rows, columns).to(noisy.device)
    result = torch.where(alone == noisy, alone, result.to(noisy.device))
    store.write(rows, result if strength == 1 else noisy.lerp(result, strength))


def _strips(source: PixelSource) -> Iterator[slice]:
    """Rows from multiples of `ALIGN_PIXELS` on."""
    height, width = source.size
    step = (
        height if source.strip_pixels is None else max(HALO_PIXELS, source.strip_pixels // width // ALIGN_PIXELS * ALIGN_PIXELS)
    )
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def _part(progress: Progress | None, done: int, of: int) -> Progress | None:
    """The progress of one of several passes, as that of all."""
    return progress and (lambda tile, tiles: progress(done * tiles + tile, of * tiles))
