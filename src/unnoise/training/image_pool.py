"""The pictures of a training. They are decoded once and kept in memory, or in a memory-mapped file if they are too
large."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise import images
from unnoise.deprecated.keywords import renamed_keywords
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Layout
from unnoise.images.pixels import check_range, to_unit_float
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource

Pixels = NDArray[Any]
MEMORY_BYTES = 4 * 2**30
"""Decoded pictures that are kept in memory. The others lie in a temporary file that is memory-mapped."""


class ImagePool:
    """Decoded pictures, each (H, W, C) of uint8, uint16 or float32, all with C channels.

    Attributes:
        pictures: the pixels.
        areas: number of pixels of each picture.
        fingerprint: a hash of shapes, types and some of the values. The same pictures in the same order have the same
            fingerprint.
        skipped: one sentence for each file that could not be used.

    Raises:
        UsageError: there is no picture.

    >>> pool = ImagePool([np.zeros((40, 60, 3), np.uint8)])
    >>> pool.crop(np.random.default_rng(0), 16).shape
    (16, 16, 3)
    """

    def __init__(self, pictures: Sequence[Pixels], skipped: Sequence[str] = ()) -> None:
        if not pictures:
            raise UsageError(f"There is nothing to train on{': ' + skipped[0] if skipped else '; give some pictures.'}")
        self.pictures = list(pictures)
        self.skipped = list(skipped)
        self.areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures], dtype=np.float64)
        self.fingerprint = _fingerprint(self.pictures)
        self._ends = np.cumsum(self.areas)

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        """A random crop (side, side, C). Large pictures are drawn more often; small ones are mirrored at their
        edges."""
        index = int(np.searchsorted(self._ends, draw.random() * self._ends[-1], side="right"))
        index = min(index, len(self.pictures) - 1)
        height, width, _ = self.pictures[index].shape
        top, left = (int(draw.integers(max(length - side, 0) + 1)) for length in (height, width))
        piece = self.piece(index, slice(top, top + side), slice(left, left + side))
        missing = side - piece.shape[0], side - piece.shape[1]
        return np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric") if any(missing) else piece

    def piece(self, index: int, rows: slice, columns: slice) -> Pixels:
        """These rows and columns of one picture, (rows, columns, C)."""
        return self.pictures[index][rows, columns]


@renamed_keywords(levels="normalization")
def from_arrays(arrays: Sequence[Pixels], channels: int, *, normalization: Normalization | None = None) -> ImagePool:
    """A pool of arrays (H, W) or (H, W, C): uint8, uint16, or floats in 0..1. `normalization` is as for `from_files`.

    >>> from_arrays([np.zeros((32, 40), np.uint8)], 3).pictures[0].shape
    (32, 40, 3)
    """
    return ImagePool(
        [_usable(array, channels, f"picture {number}", normalization) for number, array in enumerate(arrays, start=1)]
    )


@renamed_keywords(levels="normalization")
def from_files(
    files: Sequence[Path],
    channels: int,
    *,
    normalization: Normalization | None = None,
    memory: int = MEMORY_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> ImagePool:
    """Decode each file once.

    Args:
        files: pictures, and `.npy` arrays of (H, W), (H, W, C) or (N, H, W, C).
        channels: of the network. Gray is repeated, alpha dropped, and color averaged for a network with one channel.
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
    pictures: list[Pixels | None] = []
    skipped: list[str] = []
    spill = _Spill()
    held = 0
    for number, file in enumerate(files, start=1):
        try:
            for pixels in _read(file):
                picture = _usable(pixels, channels, str(file), normalization)
                held += picture.nbytes
                if held > memory:
                    spill.keep(len(pictures), picture)
                pictures.append(picture if held <= memory else None)
        except NoRoomError:
            raise
        except UnnoiseError as error:
            skipped.append(str(error))
        if progress:
            progress(number, len(files))
    mapped = spill.mapped()
    return ImagePool([mapped[place] if picture is None else picture for place, picture in enumerate(pictures)], skipped)


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


def _read(file: Path) -> list[Pixels]:
    if file.suffix.lower() != ".npy":
        return [images.read(file).pixels]
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds of error
        raise UnnoiseError(f"{file} is damaged or no NumPy array; get it again.") from error
    return list(array) if array.ndim == 4 else [array]


def _usable(pixels: Pixels, channels: int, name: str, normalization: Normalization | None) -> Pixels:
    picture = _with_channels(pixels, channels, name)
    layout = Layout.of((*pixels.shape, 1)[:3])
    rule = normalization.of_kind(layout.colours, pixels.dtype) if normalization else None
    if rule is None:
        if picture.dtype == np.float32:
            low, high = float(picture.min()), float(picture.max())
            check_range(low, high, 0, name, or_else="normalize them by their own range (--set normalization=picture)")
        return picture
    unit = torch.from_numpy(to_unit_float(picture))
    view = RegionSource.of(unit[..., 0][None, None])  # (1, 1, H, W): a measurement is gray, the other channels are copies
    scale = Photometry.decide(view, None, rule).normalization
    return scale.forward(unit).numpy() if scale else picture


def _with_channels(pixels: Pixels, channels: int, name: str) -> Pixels:
    if pixels.ndim == 2:
        pixels = pixels[..., None]  # (H, W, 1)
    if pixels.ndim != 3 or 0 in pixels.shape or pixels.shape[2] > 4:
        raise UsageError(f"{name} has the shape {pixels.shape}; expected (H, W) or (H, W, C) with 1 to 4 channels.")
    if pixels.dtype not in (np.uint8, np.uint16):
        if not np.issubdtype(pixels.dtype, np.floating):
            raise UsageError(f"{name} holds {pixels.dtype}; expected uint8, uint16, or floats in 0..1.")
        pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise UsageError(
                f"{name} holds values that are no finite numbers (NaN or infinity); replace or leave out that picture."
            )
    pixels = pixels[..., : 1 if pixels.shape[2] <= 2 else 3]  # without alpha
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)  # (H, W, channels)
    if channels == 1:
        return pixels.mean(axis=2, keepdims=True).astype(pixels.dtype)  # (H, W, 1)
    raise UsageError(f"{name} has {pixels.shape[2]} channels, the network takes {channels}; choose a denoiser with as many.")


def _fingerprint(pictures: Sequence[Pixels]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.shape} {picture.dtype}".encode())
        digest.update(np.ascontiguousarray(picture[:: max(1, picture.shape[0] // 4)]).tobytes())
    return digest.hexdigest()[:16]
