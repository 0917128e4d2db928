"""Formats of science: read and written in the same format, with the header as it was and one more line of history.

A file is copied, and its pixels are replaced. So all that we do not understand stays. Each format is one module with a
function `open_file`, named in `MODULES`, and needs an extra of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from unnoise.errors import UsageError
from unnoise.images.science.base import Copy, ReadOnly, ScienceFile

__all__ = ["MODULES", "Copy", "ReadOnly", "ScienceFile", "open_file"]

MODULES = {
    "CZI": "czi",
    "DICOM": "dicom",
    "FITS": "fits",
    "HDF5": "hdf5",
    "LIF": "lif",
    "MRC": "mrc",
    "ND2": "nd2",
    "NIfTI": "nifti",
    "OpenEXR": "exr",
}
"""Name of a format → the module that reads it, and writes it if it can be written."""


def open_file(path: Path, name: str, letters: str | None, dataset: str | None = None) -> ScienceFile:
    """Open a file of the format `name`.

    Args:
        path: the file.
        name: one of `MODULES`.
        letters: what each axis is; None: what the file says, or the usual axes.
        dataset: of HDF5 the data sets that are meant, with commas between them; None: the only one.

    Raises:
        UsageError: it holds no picture or what is not supported, or the axes do not fit.
        UnnoiseError: it is damaged, or the library for it is missing.
    """
    module = import_module(f"{__name__}.{MODULES[name]}")
    if dataset is not None:
        if name != "HDF5":
            raise UsageError(f"{path} is a {name} file, which has no data sets by name; leave {dataset} out.")
        return cast(ScienceFile, module.open_file(path, letters, dataset))
    return cast(Callable[[Path, str | None], ScienceFile], module.open_file)(path, letters)
