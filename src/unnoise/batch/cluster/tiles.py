"""Large pictures as tiles over several workers. One process holds the picture and its pipeline, others restore tiles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.batch.cluster.account import Row
from unnoise.batch.cluster.plan import Picture
from unnoise.batch.cluster.worker import Order, PictureWorker
from unnoise.inference.region_restorer import RegionRestorer, spreading
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import Region, RegionSource, dilate

TILES_AHEAD = 2
"""For each worker, tiles that are sent before the first one is back."""


@dataclass(frozen=True)
class Piece:
    """A part of a picture with all that its restoration reads.

    >>> piece = Piece(np.zeros((1, 1, 4, 4), np.float32), (2, 0), (9, 4), None)
    >>> piece.source().read(slice(3, 5), slice(0, 4)).shape
    (1, 1, 2, 4)
    """

    pixels: NDArray[Any]
    """(B, C, rows, columns)."""
    corner: tuple[int, int]
    """Its first row and column in the picture."""
    size: tuple[int, int]
    """Of the picture."""
    scale: Any

    def source(self, engine: str = "onnx") -> RegionSource:
        """The picture as an engine takes it, of which only this part can be read."""
        top, left = self.corner
        height, width = self.pixels.shape[-2:]

        def read(rows: slice, columns: slice) -> Any:
            if rows.start < top or columns.start < left or rows.stop > top + height or columns.stop > left + width:
                raise IndexError(f"rows {rows}, columns {columns} lie outside of the piece at {self.corner}")
            read = self.pixels[..., rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            return as_tensor(read) if engine == "torch" else read

        if engine == "torch":
            from torch import tensor as as_tensor

        return RegionSource(self.size, read, self.scale)


class TileWorker:
    """Restores pieces by the model of an order.

    >>> from unnoise.batch.cluster.storage import Storage
    >>> from unnoise.batch.picture_task import PictureTask
    >>> from unnoise.inference.options import DenoiseOptions
    >>> from unnoise.models import shipped
    >>> task = PictureTask(shipped.load("fast"), DenoiseOptions())
    >>> worker = TileWorker(Order(task, Storage("in"), Storage("out"), "settings"))
    >>> piece = Piece(np.zeros((1, 3, 40, 40), np.float32), (0, 0), (40, 40), None)
    >>> worker.restore(task.options.settings(task.model.recipe), piece, (slice(0, 8), slice(0, 40))).shape
    (1, 3, 8, 40)
    """

    def __init__(self, order: Order) -> None:
        self.worker = PictureWorker(order)

    def restore(self, settings: Any, piece: Piece, part: Region) -> NDArray[Any]:
        """A restored region as an array (1, C, rows, columns)."""
        task = self.worker.order.task
        task.place()
        chain = task.model.pipeline(settings).chain()
        source = piece.source(task.model.engine)
        with chain.at_work(), chain.in_one_band():
            return np.ascontiguousarray(to_numpy(chain.restore(source, part)))


class _TileActor(TileWorker):
    """A worker that finds its order in Ray's store."""

    def __init__(self, shared: Any) -> None:
        import ray

        super().__init__(ray.get(shared))


class SpreadChain:
    """A chain whose regions are restored by other processes, several at a time. All else is that of the chain.

    Args:
        chain: of this process.
        send: restores a region elsewhere, and gives a handle.
        get: waits for what a handle stands for.
        ahead: how many regions are sent before the first one is back.

    >>> from types import SimpleNamespace
    >>> chain = SimpleNamespace(halo=1, step=1, settings=None)
    >>> def send(settings, piece, part):  # as if the network added 1
    ...     return piece.source().read(*part) + 1
    >>> spread = SpreadChain(chain, send, lambda handle: handle, ahead=2)
    >>> view = RegionSource.of(np.zeros((1, 1, 9, 9), np.float32))
    >>> [restored.max() for restored in spread.restore_several([(view, (slice(0, 2), slice(3, 5)))] * 3)]
    [np.float32(1.0), np.float32(1.0), np.float32(1.0)]
    """

    def __init__(self, chain: RegionRestorer, send: Any, get: Any, ahead: int) -> None:
        self._chain, self._send, self._get, self._ahead = chain, send, get, ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def restore(self, view: RegionSource, part: Region) -> Any:
        """Restore one region elsewhere."""
        return next(self.restore_several([(view, part)]))

    def restore_several(self, wanted: Sequence[tuple[RegionSource, Region]]) -> Iterator[Any]:
        """Restore regions, several at a time; they come back in their order."""
        waiting: deque[tuple[Any, Any]] = deque()
        for view, part in wanted:
            waiting.append(self._sent(view, part))
            if len(waiting) >= self._ahead:
                yield self._taken(waiting)
        while waiting:
            yield self._taken(waiting)

    def _sent(self, view: RegionSource, part: Region) -> tuple[Any, Any]:
        # regions within are brought to multiples of the step, and then of the network's own
        around = dilate(part, self._chain.halo + 2 * self._chain.step, view.size, self._chain.step)
        pixels = view.read(*around)
        corner = around[0].start, around[1].start
        piece = Piece(np.ascontiguousarray(to_numpy(pixels)), corner, view.size, view.scale)
        return self._send(self._chain.settings, piece, part), pixels

    def _taken(self, waiting: deque[tuple[Any, Any]]) -> Any:
        handle, pixels = waiting.popleft()
        return convert_like(self._get(handle).copy(), pixels)


def row_by_tiles(ray: Any, shared: Any, picture: Picture, count: int, gpus: float) -> Row:
    """Do a large picture by tiles on all workers, and give its row.

    >>> callable(row_by_tiles)  # tests/batch/cluster/test_ray_engine.py runs it
    True
    """
    resources = {"num_cpus": 0 if gpus else 1, "num_gpus": gpus}
    actor = ray.remote(_TileActor).options(max_restarts=-1, max_task_retries=-1, **resources)
    workers = [actor.remote(shared) for _ in range(count)]
    # The picture's own process needs little time of a processor. It is done again if its node is lost.
    owner = ray.remote(_own).options(num_cpus=0, max_retries=-1)
    try:
        row: Row = ray.get(owner.remote(shared, picture, workers))
        return row
    finally:
        for worker in workers:
            ray.kill(worker)


def _own(shared: Any, picture: Picture, workers: list[Any]) -> Row:
    import ray

    order: Order = replace(shared, takes_large=True)
    turn = iter(range(2**62))

    def send(settings: Any, piece: Piece, part: Region) -> Any:
        return workers[next(turn) % len(workers)].restore.remote(settings, piece, part)

    with spreading(partial(SpreadChain, send=send, get=ray.get, ahead=TILES_AHEAD * len(workers))):
        return PictureWorker(order).row(picture)
