"""What all formats of science share: a file holds arrays of pictures, and a copy of it holds other pixels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.damage import damaged
from unnoise.images.measured_values import FLOATS
from unnoise.images.picture import Layout, Pixels
from unnoise.images.pixels import DTYPES

LETTERS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "ATZYX"}
"""The usual axes of an array, slowest first, where neither the file nor the user names them."""


class Array(Protocol):
    """An array in a file: `array[index]` takes a number or a slice for each axis."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, index: tuple[int | slice, ...], /) -> Pixels: ...


@dataclass(frozen=True)
class Volume:
    """One array of a file, and the meaning of its axes."""

    array: Any
    axes: Axes
    stated: Layout | None = None
    """The meaning of the channels, where the file says it."""

    @classmethod
    def of(cls, array: Array, letters: str | None, name: str) -> Volume:
        """The array with these axes, else the usual ones. UsageError: they do not fit, or the type is no pixel's."""
        if np.dtype(array.dtype).newbyteorder("=").name not in (*DTYPES, *FLOATS):
            raise UsageError(f"{name} has values of type {array.dtype}, which are not supported; convert them to float32.")
        if 0 in array.shape or len(array.shape) < 2:
            raise UsageError(
                f"{name} has the shape {array.shape}, which holds no picture; give at least one row and one column."
            )
        return cls(array, Axes.of(array.shape, letters or LETTERS.get(len(array.shape)), name))

    @property
    def frames(self) -> int:
        return math.prod(self.axes.outer(self.array.shape))

    @property
    def layout(self) -> Layout:
        """Bytes of an instrument are measurements, not the gray of a photograph."""
        if self.stated:
            return self.stated
        shape = self.axes.frame(self.array.shape)
        return Layout("channels") if len(shape) == 2 and self.array.dtype.itemsize == 1 else self.axes.layout(shape)


class Frames:
    """The pictures of several volumes, one after the other."""

    def __init__(self, path: Path, volumes: Sequence[Volume]) -> None:
        self.path, self.volumes = path, tuple(volumes)

    def __len__(self) -> int:
        return sum(volume.frames for volume in self.volumes)

    def place(self, index: int) -> tuple[Volume, int]:
        """The volume of picture `index`, and its number there."""
        for volume in self.volumes:
            if index < volume.frames:
                return volume, index
            index -= volume.frames
        raise IndexError(f"{self.path} holds {len(self)} pictures, from 0.")

    def frame(self, index: int) -> ArrayFrame:
        volume, number = self.place(index)
        return ArrayFrame(volume.array, volume.axes, number, self.path)


class Copy(Frames, ABC):
    """A copy of a file, whose pixels are replaced and which then says so."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the file."""

    def close(self) -> None:
        """Give all room back."""


class ScienceFile(Frames, ABC):
    """An open file of a format of science."""

    kind: str
    """What the format is called."""

    @property
    def description(self) -> bytes:
        """What the first page of a TIFF says of all of them; empty: nothing."""
        return b""

    @property
    def lost(self) -> str:
        """What results in other formats do not hold."""
        return f"the {self.kind} header"

    @abstractmethod
    def copy(self, target: Path) -> Copy:
        """A copy at `target`, with the header and one more line of history."""


class ReadOnly(ScienceFile):
    """A file of a format that is read but never written."""

    @property
    def ngff(self) -> dict[str, Any] | None:
        """What the group of an OME-Zarr says of it; None: nothing."""
        return None

    @property
    def lost(self) -> str:
        return f"what {self.kind} says beyond axes, sizes of pixels and channels"

    def copy(self, target: Path) -> Copy:
        raise UsageError(
            f"{target.name} would be a {self.kind} file, which cannot be written; write .ome.tif or .zarr instead."
        )


def history() -> str:
    """The line of history that results have."""
    try:
        return f"Denoised by unnoise {version('unnoise')}"
    except PackageNotFoundError:  # run from its source
        return "Denoised by unnoise"


def require_bytes(path: Path, unpacked: Path, end: int) -> None:
    """UnnoiseError: the file, which lies unpacked elsewhere, is shorter than its header says."""
    if unpacked.stat().st_size < end:
        raise damaged(path, f"it ends before its last value, which its header promises at byte {end}")
