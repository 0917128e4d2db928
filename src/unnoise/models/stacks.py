"""A stack of pictures in memory, each restored with its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unnoise import images
from unnoise.inference.frame_grid import FrameGrid, grid_of
from unnoise.inference.missing_values import with_hidden
from unnoise.inference.options import DenoiseOptions
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.repair import Repair
from unnoise.inference.sources import PixelSource, source_of_tensor
from unnoise.inference.stores import TensorStore
from unnoise.inference.temporal_average import NeighbourPipeline
from unnoise.photometry.rescaling import Rescaling


@dataclass(frozen=True)
class StackRepair:
    """What was repaired in the pictures of a stack.

    >>> StackRepair([None], torch.Size([1, 1, 4, 5])).keeps
    False
    """

    repairs: list[Repair | None]
    planes: torch.Size
    """(B, C, H, W) of one picture."""

    @property
    def keeps(self) -> bool:
        """Whether any pixel gets its old value back."""
        return any(each is not None and each.keeps for each in self.repairs)

    def kept(self, rows: slice, columns: slice) -> Tensor:
        """Which pixels get their old values back, of all pictures: (B, C, rows, columns) of bool."""
        none = torch.zeros(*self.planes[:2], rows.stop - rows.start, columns.stop - columns.start, dtype=torch.bool)
        return torch.cat([none if each is None else each.kept(rows, columns).cpu() for each in self.repairs])

    def sentence(self) -> str | None:
        """How many hot pixels were removed, as a sentence without its subject; None: none was."""
        count = sum(each.hot_count for each in self.repairs if each and each.removes_hot)
        return f"had {count} hot or dead {'pixel' if count == 1 else 'pixels'} replaced." if count else None


@dataclass(frozen=True)
class Stack:
    """Pictures as `images.to_tensor` made them of one array or tensor.

    >>> import numpy as np
    >>> Stack(*images.to_tensor(np.zeros((3, 4, 5), np.uint8), axes="TYX")).grid(DenoiseOptions(axes="TYX", neighbours=1))
    FrameGrid(shape=(3,), axis=0, reach=1)
    """

    noisy: Tensor
    """(B, C, H, W) of all pictures, the planes of each one after the other."""
    form: images.Form
    rescaling: Rescaling | None = None
    missing: Tensor | None = None
    """(B, C, H, W) of bool; None: nothing is missing."""
    whole_numbers: bool = False

    def grid(self, options: DenoiseOptions) -> FrameGrid:
        """Which pictures are neighbours. Raises `UsageError` as `grid_of` does."""
        outer = self.form.stacked[:-3]
        letters = [letter for letter in (options.axes or "").upper() if letter not in "YXCS"] or ["N"] * len(outer)
        return grid_of("".join(letters), outer, options.neighbours, options.along, "The image")

    def denoise(
        self, pipeline: Pipeline, options: DenoiseOptions, progress: Callable[[int, int], None] | None
    ) -> tuple[Tensor, StackRepair]:
        """Restore all pictures: (B, C, H, W), and what was repaired.

        Raises:
            UsageError: it is not known which pictures are neighbours; also as `Pipeline.run`.
        """
        grid = self.grid(options)
        results, repairs = [], []
        with NeighbourPipeline(pipeline, grid, lambda number, _: self._source(number, len(grid))) as restorer:
            for number in range(len(grid)):
                store = TensorStore(self.noisy[self._planes(number, len(grid))])
                repairs.append(restorer.run(number, store, _of_all(progress, number, len(grid))))
                results.append(store.tensor)
        return torch.cat(results), StackRepair(repairs, results[0].shape)

    def _planes(self, number: int, count: int) -> slice:
        """The planes of one of `count` pictures."""
        each = len(self.noisy) // count
        return slice(number * each, (number + 1) * each)

    def _source(self, number: int, count: int) -> PixelSource:
        planes = self._planes(number, count)
        source = source_of_tensor(
            self.noisy[planes],
            self.form,
            self.rescaling,
            missing=None if self.missing is None else self.missing[planes],
            whole_numbers=self.whole_numbers,
        )
        alpha = self.form.alpha
        name = f"Frame {number} of the image"
        return with_hidden(replace(source, name=name), alpha if alpha is None else alpha[number : number + 1])


def _of_all(progress: Callable[[int, int], None] | None, number: int, count: int) -> Callable[[int, int], None] | None:
    return progress and (lambda done, tiles: progress(number * tiles + done, count * tiles))
