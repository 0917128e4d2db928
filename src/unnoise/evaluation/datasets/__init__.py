"""The data sets: benchmarks and the user's own folders, written as SET:DIR. Each is one file and one line in the table
below."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from unnoise.errors import UsageError
from unnoise.evaluation.datasets.about import About
from unnoise.evaluation.datasets.base import DataSet, Entry, Pair
from unnoise.evaluation.datasets.pairing import MissingDataError
from unnoise.registry import Registry

__all__ = ["DataSet", "Entry", "Pair", "names", "open_set"]

# Each module's `entries` lists the files of a folder. Pixels are read when a pair is used.
_SETS: Registry[Callable[[Path], list[Entry]]] = Registry(
    "data set",
    "unnoise.evaluation.datasets",
    {
        "pairs": "pairs:entries",
        "sidd-val": "sidd_val:entries",
        "sidd-medium": "sidd_medium:entries",
        "sidd-benchmark": "sidd_benchmark:entries",
        "dnd": "dnd:entries",
        "polyu": "polyu:entries",
        "cc15": "cc15:entries",
        "nam": "nam:entries",
        "nind": "nind:entries",
        "fmd": "fmd:entries",
        "folder": "folder:entries",
    },
)

names = _SETS.names


def open_set(spec: str) -> DataSet:
    """Open a data set.

    Args:
        spec: ``SET:DIR``, such as ``sidd-val:data/sidd_val``. ``~`` means the home folder.

    Raises:
        UsageError: `spec` has another form, the set is unknown, its folder is missing, or its files are no pairs. Where
            published data is missing, the sentence says where it is to be had.
        UnnoiseError: a file that lists the pictures is damaged.

    >>> open_set("photos")
    Traceback (most recent call last):
    unnoise.errors.UsageError: The data set 'photos' is not of the form SET:DIR; SET is one of pairs, sidd-val, ...
    """
    name, colon, folder = spec.partition(":")
    if name not in names() and not colon:
        raise UsageError(f"The data set '{spec}' is not of the form SET:DIR; SET is one of {', '.join(names())}.")
    entries = _SETS.lookup(name)
    if not folder:
        raise UsageError(f"The data set '{spec}' lacks its folder; write {name}:DIR.")
    about: About | None = getattr(sys.modules[entries.__module__], "ABOUT", None)
    try:
        return DataSet(spec, entries(Path(folder).expanduser()), about)
    except MissingDataError as error:
        if about is None:
            raise
        raise MissingDataError(f"{str(error).rstrip('.')}; the folder {about.layout}, and the data {about.where}.") from error
