"""Stores for results: a tensor in memory, or pixels that may lie on the disk."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise import images
from unnoise.inference.sources import STRIP_PIXELS, RegionReader, reader_of
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.rescaling import Rescaling


class Store(Protocol):
    """A result that is written and read by region."""

    def read(self, rows: slice, columns: slice) -> Tensor:
        """The values that were written, (B, C, rows, columns)."""
        ...

    def write(self, rows: slice, restored: Tensor) -> None:
        """Store these rows, (B, C, rows, W)."""
        ...

    def copy(self) -> None:
        """Use the noisy picture as the result."""
        ...


class TensorStore:
    """A result in memory.

    Attributes:
        tensor: (B, C, H, W) float32.

    >>> store = TensorStore(torch.zeros(1, 1, 2, 2))
    >>> store.write(slice(0, 1), torch.ones(1, 1, 1, 2))
    >>> store.tensor[..., 0, :]
    tensor([[[1., 1.]]])
    """

    def __init__(self, noisy: Tensor) -> None:
        """Create a store for a result with the shape and device of `noisy`, (B, C, H, W)."""
        self.noisy = self.tensor = noisy

    def read(self, rows: slice, columns: slice) -> Tensor:
        return self.tensor[..., rows, columns]

    def write(self, rows: slice, restored: Tensor) -> None:
        if restored.shape == self.noisy.shape:
            self.tensor = restored
            return
        if self.tensor is self.noisy:
            self.tensor = torch.empty_like(self.noisy, dtype=torch.float32)
        self.tensor[:, :, rows] = restored

    def copy(self) -> None:
        self.tensor = self.noisy


class PixelStore:
    """A result as pixels of the noisy picture's type. Integers are rounded, and alpha is copied from the noisy picture.

    Args:
        noisy: the stored pixels.
        result: receives the pixels. It has the shape of `noisy`, and its type, or float32 if the pixels are rescaled.
        layout, group, name, rescaling: as for `source_of_file`.

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
    ) -> None:
        self.noisy, self.result = noisy, result
        any_scale = Normalization(of="picture")
        self._read_noisy = reader_of(noisy, layout, any_scale, group=group, name=name, rescaling=rescaling)
        self._read_result = reader_of(_ArrayReader(result), layout, any_scale, group=group, name=name)
        self._width = noisy.shape[1]

    def read(self, rows: slice, columns: slice) -> Tensor:
        return self._read_result(rows, columns)[0]

    def write(self, rows: slice, restored: Tensor) -> None:
        _, form = self._read_noisy(rows, slice(0, self._width))
        self.result[rows] = form.restore(restored)

    def copy(self) -> None:
        step = STRIP_PIXELS // self._width + 1
        for top in range(0, self.noisy.shape[0], step):
            rows = slice(top, min(top + step, self.noisy.shape[0]))
            self.result[rows] = self.noisy.region(rows, slice(0, self._width))


class _ArrayReader:
    """Reads regions of an array or of scratch pixels on the disk."""

    def __init__(self, pixels: NDArray[Any] | images.Scratch) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, np.dtype(pixels.dtype)

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        return self.pixels[rows, columns]
