"""Arrays in files of MATLAB, which SIDD and DND are published in: the older format by SciPy, HDF5 (version 7.3) by
h5py.

MATLAB counts the axes of an array the other way round than HDF5 does. Here the axes are always in MATLAB's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError
from unnoise.images.damage import damaged
from unnoise.registry import require

Array = NDArray[Any]
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEADER_BYTES = 512
"""Length of the text that MATLAB puts before HDF5."""


class MatArray:
    """One array of a file of MATLAB. Its pixels are read when a part is asked for.

    The older format is compressed as a whole, so the array is then kept in memory as long as this object. Of HDF5 only
    the part is read.

    >>> import tempfile
    >>> from scipy.io import savemat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savemat(f"{folder}/a.mat", {"Blocks": np.arange(24).reshape(2, 3, 4)})
    ...     array = MatArray(Path(folder) / "a.mat", "Blocks")
    ...     print(array.shape, array.part(1, 2).tolist())
    (2, 3, 4) [20, 21, 22, 23]
    """

    def __init__(self, path: Path, variable: str) -> None:
        self.path = path
        self.variable = variable

    @cached_property
    def is_hdf5(self) -> bool:
        """Whether the file is of MATLAB's version 7.3."""
        return is_hdf5(self.path)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The array's shape. Raises `UnnoiseError` if the file is damaged or lacks the array."""
        if self.is_hdf5:
            return self._in_hdf5(lambda array: tuple(int(side) for side in array.shape[::-1]))
        found = {name: shape for name, shape, _ in _decode(self.path, lambda io: io.whosmat(self.path))}
        if self.variable not in found:
            raise self._lacking(found)
        return tuple(int(side) for side in found[self.variable])

    def part(self, *place: int | slice) -> Array:
        """A part of the array: a number or a slice for each of its first axes."""
        if self.is_hdf5:
            index = place + (slice(None),) * (len(self.shape) - len(place))
            return self._in_hdf5(lambda array: np.asarray(array[index[::-1]]).T)
        return np.ascontiguousarray(self._whole[place])

    @cached_property
    def _whole(self) -> Array:
        found = _decode(self.path, lambda io: io.loadmat(self.path, variable_names=[self.variable]))
        if self.variable not in found:
            raise self._lacking([])
        return np.asarray(found[self.variable])

    def _in_hdf5(self, use: Callable[[Any], Any]) -> Any:
        def of_file(file: Any) -> Any:
            if self.variable not in file:
                raise self._lacking(file)
            return use(file[self.variable])

        return in_hdf5(self.path, of_file)

    def _lacking(self, names: Any) -> UnnoiseError:
        held = ", ".join(name for name in names if not name.startswith("#")) or "nothing of that name"
        return UnnoiseError(
            f"{self.path} lacks the array {self.variable} (it holds {held}); get the file that the data set has."
        )


@dataclass(frozen=True)
class MatPixels:
    """One picture in an array of a file of MATLAB: a place in its first axes, and rows and columns.

    >>> str(MatPixels(MatArray(Path("a.mat"), "Blocks"), (3, 4)))
    'a.mat[Blocks 4, 5]'
    """

    array: MatArray
    place: tuple[int, ...] = ()
    """Numbers in the first axes, from 0."""
    region: tuple[slice, slice] | None = None
    """Rows and columns; None: all."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.array.path

    def read(self) -> Array:
        """(H, W, C), contiguous."""
        return np.ascontiguousarray(self.array.part(*self.place, *(self.region or ())))

    def __str__(self) -> str:
        numbers = [str(number + 1) for number in self.place]
        numbers += [f"{each.start + 1}:{each.stop}" for each in self.region or ()]
        return f"{self.array.path}[{self.array.variable} {', '.join(numbers)}]"


def is_hdf5(path: Path) -> bool:
    """Whether a file of MATLAB is HDF5, which version 7.3 writes. Raises `UnnoiseError` if it cannot be read.

    >>> is_hdf5(Path("none.mat"))
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none.mat cannot be read: No such file or directory; ...
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES + len(HDF5_SIGNATURE))
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}; check its name and its rights.") from error
    return HDF5_SIGNATURE in (head[: len(HDF5_SIGNATURE)], head[HEADER_BYTES:])


def in_hdf5(path: Path, use: Callable[[Any], Any]) -> Any:
    """Open an HDF5 file, use it, and close it. Raises `UnnoiseError` if it is damaged, or h5py is missing.

    >>> in_hdf5(Path("none.mat"), list)
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none.mat cannot be decoded ...
    """
    h5py = require("h5py", f"The file {path.name}")
    try:
        with h5py.File(path, "r") as file:
            return use(file)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise damaged(path, error) from error


def _decode(path: Path, use: Callable[[Any], Any]) -> Any:
    require("scipy", f"The file {path.name}")
    try:
        return use(import_module("scipy.io"))
    except Exception as error:  # SciPy's readers fail in any way at foreign bytes
        raise damaged(path, error) from error
