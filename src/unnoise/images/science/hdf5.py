"""Data sets in HDF5 files (extra `hdf5`), also of NetCDF 4: those that are chosen are pictures, all else stays.

The file is copied, and the values of the data sets are replaced in the copy. Their chunks and filters stay.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.measured_values import FLOATS
from unnoise.images.picture import Pixels
from unnoise.images.pixels import DTYPES
from unnoise.images.science.base import Copy, ScienceFile, Volume, history
from unnoise.images.science.scaled import scaled
from unnoise.registry import require

FILL = ("_FillValue", "missing_value")
"""Attributes of NetCDF that name the number for missing values."""
HISTORY = "history"
CACHE_BYTES = 2**26
"""For the chunks of each data set, so that strips of a picture do not unpack a chunk again and again."""
SHOWN = 8
"""Data sets that an error names."""


def open_file(path: Path, letters: str | None, chosen: str | None = None) -> Hdf5File:
    """Open data sets.

    Args:
        path: the file.
        letters: what each axis is.
        chosen: paths of data sets in the file, with commas between them. None: the only one that can be a picture.

    Raises:
        UsageError: a path is wrong, or there are several data sets and none is chosen.
        UnnoiseError: it is damaged, or h5py is missing.
    """
    h5py: Any = require("h5py", "HDF5")
    require("hdf5plugin", "HDF5")  # filters such as Blosc and Zstandard, which it registers
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)
        names = _chosen(path, file, h5py, chosen)
        return Hdf5File(path, file, names, letters)
    except UnnoiseError:
        raise
    except Exception as error:  # OSError, RuntimeError, KeyError …
        raise damaged(path, error) from error


def _chosen(path: Path, file: Any, h5py: Any, chosen: str | None) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) and _is_picture(item) else None)
    shown = ", ".join(f"/{name}" for name in found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
    if not found:
        raise UsageError(f"{path} has no data set of numbers with rows and columns; give another file.")
    if chosen is None:
        if len(found) > 1:
            raise UsageError(
                f"{path} has {len(found)} data sets that can be pictures; choose with --dataset one or more of {shown}."
            )
        return found
    names = [name.strip().strip("/") for name in chosen.split(",")]
    for name in names:
        if name not in file or not isinstance(file[name], h5py.Dataset):
            raise UsageError(f"{path} has no data set /{name}; choose with --dataset one or more of {shown}.")
        if not _is_picture(file[name]):
            raise UsageError(f"{path}: the data set /{name} holds no rows and columns of numbers; choose one of {shown}.")
        if file[name].is_virtual or file[name].external:
            raise UsageError(f"{path}: the values of /{name} lie in other files, which stay as they are; name those files.")
    return names


def _is_picture(item: Any) -> bool:
    kind = np.dtype(item.dtype).newbyteorder("=").name
    return len(item.shape or ()) >= 2 and 0 not in item.shape and min(item.shape[-2:]) > 1 and kind in (*DTYPES, *FLOATS)


class Hdf5File(ScienceFile):
    """Chosen data sets of an open HDF5 file."""

    kind = "HDF5"

    def __init__(self, path: Path, file: Any, names: list[str], letters: str | None) -> None:
        self.path, self.file, self.names, self.letters = path, file, names, letters
        super().__init__(path, self.volumes_of(file))

    def volumes_of(self, file: Any) -> list[Volume]:
        """The data sets of this file or of a copy."""
        return [
            Volume.of(_meant(file[name], f"{self.path}, /{name}"), self.letters, f"{self.path}, /{name}") for name in self.names
        ]

    def copy(self, target: Path) -> Hdf5Copy:
        return Hdf5Copy(self, target)


def _meant(item: Any, name: str) -> Any:
    """The data set with the values that its attributes say are missing."""
    blank = next((np.ravel(item.attrs[key])[0] for key in FILL if key in item.attrs), None)
    if blank is None:
        return item
    if np.dtype(item.dtype).kind == "f":
        return Filled(item, float(blank)) if np.isfinite(blank) else item
    return scaled(item, 1.0, 0.0, int(blank), name=name)


class Filled:
    """Floats of which one value means missing, given as NaN."""

    def __init__(self, array: Any, blank: float) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self._blank = np.dtype(array.dtype).type(blank)

    def __getitem__(self, index: tuple[int | slice, ...]) -> Pixels:
        values: Pixels = self.array[index]
        return np.where(values == self._blank, np.dtype(values.dtype).type(np.nan), values)

    def __setitem__(self, index: tuple[int | slice, ...], values: Pixels) -> None:
        self.array[index] = np.where(np.isnan(values), self._blank, values)


class Hdf5Copy(Copy):
    """A copy of a file, whose data sets get other values and one more line of history."""

    def __init__(self, source: Hdf5File, target: Path) -> None:
        h5py: Any = require("h5py", "HDF5")
        shutil.copyfile(source.path, target)
        self._names = source.names
        self._file = h5py.File(target, "r+", rdcc_nbytes=CACHE_BYTES)
        super().__init__(target, source.volumes_of(self._file))

    def finish(self) -> None:
        for name in self._names:
            attributes = self._file[name].attrs
            said = attributes.get(HISTORY)
            attributes[HISTORY] = f"{said}\n{history()}" if isinstance(said, str) else history()
        self._file.close()

    def close(self) -> None:
        self._file.close()
