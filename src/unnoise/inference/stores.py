"""Stores for results: a tensor in memory, or pixels that may lie on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.array_api import array_namespace
from unnoise.inference.sources import STRIP_PIXELS, PixelSource, RegionReader, reader_of
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import planes_of_batch
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.rescaling import Rescaling


class Store(Protocol):
    """A result that is written and read by region."""

    def read(self, rows: slice, columns: slice) -> Any:
        """The values that were written, (B, C, rows, columns)."""
        ...

    def write(self, rows: slice, restored: Any) -> None:
        """Store these rows, (B, C, rows, W)."""
        ...

    def copy(self) -> None:
        """Use the noisy picture as the result."""
        ...


class TensorStore:
    """A result in memory.

    Attributes:
        tensor: (B, C, H, W) float32, of the kind of the noisy picture.

    >>> store = TensorStore(np.zeros((1, 1, 2, 2)))
    >>> store.write(slice(0, 1), np.ones((1, 1, 1, 2)))
    >>> store.tensor[..., 0, :]
    array([[[1., 1.]]], dtype=float32)
    """

    def __init__(self, noisy: Any) -> None:
        """Create a store for a result with the shape and device of `noisy`, (B, C, H, W)."""
        self.noisy = self.tensor = noisy

    def read(self, rows: slice, columns: slice) -> Any:
        return self.tensor[..., rows, columns]

    def write(self, rows: slice, restored: Any) -> None:
        if restored.shape == self.noisy.shape:
            self.tensor = restored
            return
        if self.tensor is self.noisy:
            xp = array_namespace(self.noisy)
            self.tensor = xp.empty_like(self.noisy, dtype=xp.float32)
        self.tensor[:, :, rows] = restored

    def copy(self) -> None:
        self.tensor = self.noisy


class PixelStore:
    """A result as pixels of the noisy picture's type. Integers are rounded, and alpha is copied from the noisy picture.

    Args:
        noisy: the stored pixels.
        result: receives the pixels. It has the shape of `noisy`, and its type, or float32 if the pixels are rescaled.
        layout, group, name, rescaling, library: as for `source_of_file`.

    >>> noisy, result = images.Scratch.of(np.zeros((4, 5), np.uint8)), np.ones((4, 5), np.uint8)
    >>> PixelStore(noisy, result, images.Layout("grey")).copy()
    >>> int(result.sum())
    0
    """

    def __init__(
        self,
        noisy: RegionReader,
        result: NDArray[Any] | images.Scratch,
        layout: images.Layout | None,
        *,
        group: int = 1,
        name: str = "The image",
        rescaling: Rescaling | None = None,
        library: images.Library = "torch",
    ) -> None:
        self.noisy, self.result = noisy, result
        any_scale = Normalization(of="picture")
        self._read_noisy = reader_of(noisy, layout, any_scale, group=group, name=name, rescaling=rescaling, library=library)
        self._read_result = reader_of(_ArrayReader(result), layout, any_scale, group=group, name=name, library=library)
        self._width = noisy.shape[1]

    def read(self, rows: slice, columns: slice) -> Any:
        return self._read_result(rows, columns)[0]

    def write(self, rows: slice, restored: Any) -> None:
        _, form = self._read_noisy(rows, slice(0, self._width))
        self.result[rows] = form.restore(restored)

    def copy(self) -> None:
        step = STRIP_PIXELS // self._width + 1
        for top in range(0, self.noisy.shape[0], step):
            rows = slice(top, min(top + step, self.noisy.shape[0]))
            self.result[rows] = self.noisy.region(rows, slice(0, self._width))


class PlanesStore:
    """A result as floats, in memory or, if it is large, on the disk.

    Args:
        shape: (B, C, H, W).
        source: whose pixels `copy` takes; None: `copy` is not used.
        folder: of the file on the disk; None: where the system keeps temporary files.
        library: the kind of the arrays that are read.

    >>> with PlanesStore((2, 1, 4, 5), library="numpy") as store:
    ...     store.write(slice(0, 1), np.ones((2, 1, 1, 5)))
    ...     store.read(slice(0, 2), slice(0, 1)).flatten().tolist()
    [1.0, 0.0, 1.0, 0.0]
    """

    def __init__(
        self,
        shape: Sequence[int],
        source: PixelSource | None = None,
        folder: Path | None = None,
        library: images.Library = "torch",
    ) -> None:
        self.shape, self.source, self.library = tuple(shape), source, library
        self.pixels = images.Scratch((*self.shape[2:], shape[0] * shape[1]), np.dtype(np.float32), folder)  # (H, W, B·C)

    def read(self, rows: slice, columns: slice) -> Any:
        planes = self.pixels[rows, columns].transpose(2, 0, 1)  # (B·C, rows, columns)
        values = planes.reshape(*self.shape[:2], *planes.shape[1:])
        if self.library == "numpy":
            return values
        import torch

        return torch.from_numpy(values)

    def write(self, rows: slice, restored: Any) -> None:
        self.pixels[rows] = to_numpy(planes_of_batch(restored)).transpose(1, 2, 0)

    def copy(self) -> None:
        assert self.source is not None
        for rows in self.source.strips():
            self.write(rows, self.source.read(rows, slice(0, self.shape[3])))

    def close(self) -> None:
        """Give the room back."""
        self.pixels.close()

    def __enter__(self) -> PlanesStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _ArrayReader:
    """Reads regions of an array or of scratch pixels on the disk."""

    def __init__(self, pixels: NDArray[Any] | images.Scratch) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, np.dtype(pixels.dtype)

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        return self.pixels[rows, columns]
