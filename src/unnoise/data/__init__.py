"""The data sets: benchmarks and one's own folders, written as SET:DIR. One file each, one line in the table below."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.data.base import DataSet, Entry, Pair
from unnoise.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DataSet", "Entry", "Pair", "names", "open_set"]

# Each module's `entries` lists the files of a folder; no pixel is read before the pair is asked for.
_SETS = {
    "pairs": "pairs",
    "sidd-val": "sidd_val",
    "polyu": "polyu",
    "cc15": "cc15",
    "folder": "folder",
}


def names() -> list[str]:
    """The names that may stand before the colon of SET:DIR."""
    return list(_SETS)


def open_set(spec: str) -> DataSet:
    """Open a data set given as ``SET:DIR``, such as ``sidd-val:data/sidd_val``; ``~`` stands for the home folder.

    Raises:
        UsageError: when `spec` is of another form, the set is unknown, its folder is missing, or its files do not pair up.
    """
    name, colon, folder = spec.partition(":")
    if name not in _SETS and not colon:
        raise UsageError(f"The data set '{spec}' is not of the form SET:DIR; SET is one of {', '.join(names())}.")
    if name not in _SETS:
        raise UsageError(f"There is no data set named '{name}'; choose one of {', '.join(names())}.")
    if not folder:
        raise UsageError(f"The data set '{spec}' lacks its folder; write {name}:DIR.")
    entries: Callable[[Path], list[Entry]] = import_module(f"unnoise.data.{_SETS[name]}").entries
    return DataSet(spec, entries(Path(folder).expanduser()))
