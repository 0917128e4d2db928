"""Restores the frames of an open file in their order: each by itself, or with its neighbours."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from unnoise import images
from unnoise.batch.opened_frame import OpenedFrame
from unnoise.errors import UsageError
from unnoise.images.frame_axes import frame_axes
from unnoise.inference.bands import Progress
from unnoise.inference.frame_grid import grid_of
from unnoise.inference.options import DenoiseOptions, read_mask
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.repair import Repair
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store


class FrameRestorer:
    """Opens frames and restores them. Frames are asked for in their order: first `open`, then `run`.

    Args:
        pipeline: as for single pictures.
        frames: the open file.
        options: of denoising.
        folder: where large frames are put aside.

    Raises:
        UsageError: it is not known which frames are neighbours, or the file is camera raw.

    >>> import tempfile
    >>> import numpy as np
    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "refinement": "none"}))
    >>> pipeline = Pipeline(model.network, model.recipe.scheme, DenoiseOptions().settings(model.recipe))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((3, 8, 9), np.uint8))
    ...     options = DenoiseOptions(axes="TYX", neighbours=1)
    ...     with images.open(f"{folder}/a.npy", axes="TYX") as frames:
    ...         with FrameRestorer(pipeline, frames, options, Path(folder)) as restorer:
    ...             restorer.open(0).frame.shape
    (8, 9)
    """

    def __init__(self, pipeline: Pipeline, frames: images.Source, options: DenoiseOptions, folder: Path) -> None:
        self.pipeline, self.frames, self.options = pipeline, frames, options
        self._mask = None if options.mask is None else read_mask(options.mask)
        self._opened: dict[int, OpenedFrame] = {}
        self._neighbours = None
        pipeline.check_neighbours(options.neighbours)
        if options.neighbours:
            from unnoise.inference.temporal_average import NeighbourPipeline

            grid = grid_of(*frame_axes(frames), options.neighbours, options.along, str(frames.path))
            self._neighbours = NeighbourPipeline(pipeline, grid, self._source, folder)

    def open(self, index: int) -> OpenedFrame:
        """A frame, which stays open until the next one is restored."""
        if self._neighbours is None:
            self._opened = {index: self._of(self.frames[index])}
        else:
            self._neighbours.open(index)
            self._opened = {number: opened for number, opened in self._opened.items() if number >= index}
        return self._opened[index]

    def run(self, index: int, store: Store, progress: Progress | None) -> Repair | None:
        """Restore the frame into `store`, as `Pipeline.run` does."""
        if self._neighbours is None:
            return self.pipeline.run(self._opened[index].source, store, progress)
        return self._neighbours.run(index, store, progress)

    def close(self) -> None:
        """Close all frames."""
        if self._neighbours:
            self._neighbours.close()

    def __enter__(self) -> FrameRestorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _of(self, stored: images.Frame) -> OpenedFrame:
        opened = OpenedFrame.of(stored, self.options, self.pipeline.settings, self._mask, self.pipeline.library)
        if opened.light and self._neighbours:
            raise UsageError(f"{stored.name} is camera raw, which has no neighbours; leave --neighbours out.")
        return opened

    def _source(self, number: int, stack: ExitStack) -> PixelSource:
        self._opened[number] = self._of(self.frames.hold(number, stack))
        return self._opened[number].source
