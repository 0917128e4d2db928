"""The pictures of a training. They are decoded once and kept in memory, or in a memory-mapped file if they are too
large."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.deprecated.keywords import renamed_keywords
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.attempts import working_on
from unnoise.images.frame_axes import frame_axes
from unnoise.images.frames import open_stack
from unnoise.images.opening import Source
from unnoise.inference.frame_grid import FrameGrid, grid_of
from unnoise.photometry.normalization import Normalization
from unnoise.training.pool_pictures import pool_pictures

Pixels = NDArray[Any]
MEMORY_BYTES = 4 * 2**30
"""Decoded pictures that are kept in memory. The others lie in a temporary file that is memory-mapped."""


@dataclass(frozen=True)
class Series:
    """The pictures of a stack in a pool.

    >>> Series(first=10, each=2, grid=FrameGrid((3,), 0, 1)).neighbours(12)
    [10, 14]
    """

    first: int
    """Number of its first picture."""
    each: int
    """Pictures of a frame, one after the other."""
    grid: FrameGrid

    @classmethod
    def of(cls, stack: Source, first: int, count: int) -> list[Series]:
        """The series of an open file whose `count` pictures lie in a pool; empty if it has none."""
        letters, shape = frame_axes(stack)
        if not letters or count % len(stack):
            return []
        try:
            return [cls(first, count // len(stack), grid_of(letters, shape, 1, None, str(stack.path)))]
        except UsageError:  # nobody asked for neighbours
            return []

    def neighbours(self, index: int) -> list[int]:
        """The pictures beside a picture of the pool; none if it is of another stack."""
        frame, place = divmod(index - self.first, self.each)
        if not 0 <= frame < len(self.grid):
            return []
        return [self.first + other * self.each + place for other in self.grid.neighbours(frame)]


class ImagePool:
    """Decoded pictures, each (H, W, C) of uint8, uint16 or float32, all with C channels.

    Attributes:
        pictures: the pixels.
        areas: number of pixels of each picture.
        fingerprint: a hash of shapes, types and some of the values. The same pictures in the same order have the same
            fingerprint.
        skipped: one sentence for each file that could not be used.
        series: the stacks among the pictures.

    Raises:
        UsageError: there is no picture.

    >>> pool = ImagePool([np.zeros((40, 60, 3), np.uint8)])
    >>> pool.crop(np.random.default_rng(0), 16).shape
    (16, 16, 3)
    """

    def __init__(
        self,
        pictures: Sequence[Pixels],
        skipped: Sequence[str] = (),
        series: Sequence[Series] = (),
        fingerprint: str | None = None,
    ) -> None:
        if not pictures:
            raise UsageError(f"There is nothing to train on{': ' + skipped[0] if skipped else '; give some pictures.'}")
        self.pictures = list(pictures)
        self.skipped = list(skipped)
        self.series = list(series)
        self.areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures], dtype=np.float64)
        self.fingerprint = fingerprint or _fingerprint(self.pictures)
        self._ends = np.cumsum(self.areas)

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        """A random crop (side, side, C). Large pictures are drawn more often; small ones are mirrored at their
        edges."""
        return self.crop_of(self.draw_index(draw), draw, side)

    def neighbours(self, index: int) -> list[int]:
        """The numbers of the pictures that show the same channel one frame or plane before and after."""
        return [found for each in self.series for found in each.neighbours(index)]

    def draw_index(self, draw: np.random.Generator) -> int:
        """The number of a random picture. Large pictures are drawn more often."""
        index = int(np.searchsorted(self._ends, draw.random() * self._ends[-1], side="right"))
        return min(index, len(self.pictures) - 1)

    def crop_of(self, index: int, draw: np.random.Generator, side: int) -> Pixels:
        """A random crop (side, side, C) of one picture. Small ones are mirrored at their edges."""
        height, width, _ = self.pictures[index].shape
        top, left = (int(draw.integers(max(length - side, 0) + 1)) for length in (height, width))
        piece = self.piece(index, slice(top, top + side), slice(left, left + side))
        missing = side - piece.shape[0], side - piece.shape[1]
        return np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric") if any(missing) else piece

    def piece(self, index: int, rows: slice, columns: slice) -> Pixels:
        """These rows and columns of one picture, (rows, columns, C)."""
        return self.pictures[index][rows, columns]


@renamed_keywords(levels="normalization")
def from_arrays(
    arrays: Sequence[Pixels], channels: int, *, axes: str | None = None, normalization: Normalization | None = None
) -> ImagePool:
    """A pool of arrays: whole numbers, or floats in 0..1. `axes` and `normalization` are as for `from_files`.

    Without `axes` an array is (H, W), (H, W, C) or (N, H, W, C) with C in 1..4.

    Raises:
        UsageError: an array of another shape or type, or floats on another scale that are not normalized.
        NoRoomError: the temporary file cannot be written.

    >>> len(from_arrays([np.zeros((7, 8, 8), np.uint16)], 1, axes="TYX").pictures)
    7
    """
    kept = KeptPictures(MEMORY_BYTES)
    series: list[Series] = []
    for number, array in enumerate(arrays, start=1):
        with open_stack(array, axes=axes, name=f"picture {number}") as stack:
            first = len(kept)
            for picture in pool_pictures(stack, channels, normalization):
                kept.add(picture, is_view=np.may_share_memory(picture, array))
            series += Series.of(stack, first, len(kept) - first)
    return ImagePool(kept.pictures(), series=series)


@renamed_keywords(levels="normalization")
def from_files(
    files: Sequence[Path],
    channels: int,
    *,
    axes: str | None = None,
    normalization: Normalization | None = None,
    memory: int = MEMORY_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> ImagePool:
    """Decode each file once, frame by frame.

    Args:
        files: pictures and stacks, and `.npy` arrays of (H, W), (H, W, C) or (N, H, W, C).
        channels: of the network. Gray is repeated, alpha dropped, and color averaged for a network with one channel.
        axes: of `.npy` and Zarr files, as `images.open` takes them.
        normalization: whether measurements are normalized by their range, as the network will see them. They become float32.
        memory: bytes of pictures that are kept in memory.
        progress: called with (files done, files in all).

    Returns:
        The pool. A file that cannot be read is skipped, and named in `ImagePool.skipped`.

    Raises:
        UsageError: no file can be read.
        NoRoomError: the temporary file cannot be written.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((32, 40), np.uint8))
    ...     from_files([Path(f"{folder}/a.npy")], 3).pictures[0].shape
    (32, 40, 3)
    """
    kept = KeptPictures(memory)
    skipped: list[str] = []
    series: list[Series] = []
    for number, file in enumerate(files, start=1):
        try:
            with working_on(file), open_stack(file, axes=axes) as stack:
                first = len(kept)
                for picture in pool_pictures(stack, channels, normalization):
                    kept.add(picture)
                series += Series.of(stack, first, len(kept) - first)
        except NoRoomError:
            raise
        except UnnoiseError as error:
            skipped.append(str(error))
        if progress:
            progress(number, len(files))
    return ImagePool(kept.pictures(), skipped, series)


class KeptPictures:
    """Pictures in memory up to a number of bytes, and the others in a temporary file.

    >>> kept = KeptPictures(memory=100)
    >>> for side in (5, 50):
    ...     kept.add(np.ones((side, side, 1), np.uint8))
    >>> [picture.sum() for picture in kept.pictures()]
    [np.uint64(25), np.uint64(2500)]
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._held = 0
        self._pictures: list[Pixels | None] = []
        self._spill = _Spill()

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, picture: Pixels, *, is_view: bool = False) -> None:
        """Keep one more. A view takes no memory of its own. Raises `NoRoomError`."""
        size = 0 if is_view else picture.nbytes
        fits = self._held + size <= self._memory
        if fits:
            self._held += size
        else:
            self._spill.keep(len(self._pictures), picture)
        self._pictures.append(picture if fits else None)

    def pictures(self) -> list[Pixels]:
        """All of them, in their order. Raises `NoRoomError`."""
        mapped = self._spill.mapped()
        return [mapped[place] if picture is None else picture for place, picture in enumerate(self._pictures)]


class NoRoomError(UnnoiseError):
    """The temporary file has no room for the pictures."""


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoRoomError(
            f"The pictures do not fit into memory, and {tempfile.tempdir or 'the folder for temporary files'} cannot take "
            f"the others ({error.strerror or error}); set TMPDIR to a folder with more room, or train on fewer pictures."
        ) from error


class _Spill:
    """A temporary file without a name, for the pictures that memory cannot hold. It ends with the process.

    It is mapped once for all pictures. Each mapping keeps a file open, and a process may have only about a thousand.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._kept: list[tuple[int, int, tuple[int, ...], np.dtype[Any]]] = []

    def keep(self, place: int, picture: Pixels) -> None:
        """Write the picture at `place` in the pool. Raises `NoRoomError`."""
        with _room():
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the pool lives)
            start = -(-self._file.seek(0, 2) // 16) * 16  # at a multiple of any type's size
            self._file.seek(start)
            self._file.write(np.ascontiguousarray(picture).data)
        self._kept.append((place, start, picture.shape, picture.dtype))

    def mapped(self) -> dict[int, Pixels]:
        """The pictures by their place in the pool. They are read from disk when they are used. Raises `NoRoomError`."""
        if self._file is None:
            return {}
        with _room():
            self._file.flush()
            whole = np.memmap(self._file, np.uint8, mode="r")
        return {
            place: whole[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
            for place, start, shape, dtype in self._kept
        }


def _fingerprint(pictures: Sequence[Pixels]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.shape} {picture.dtype}".encode())
        digest.update(np.ascontiguousarray(picture[:: max(1, picture.shape[0] // 4)]).tobytes())
    return digest.hexdigest()[:16]
