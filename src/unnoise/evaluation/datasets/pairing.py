"""Finding the clean file of each noisy file. The data sets differ only in how they name the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from unnoise.errors import UsageError
from unnoise.evaluation.datasets.base import Entry, Pixels


class MissingDataError(UsageError):
    """The data is not there, or not all of it. Its reader is told where the data is to be had.

    >>> str(MissingDataError("The folder a lacks b.mat."))
    'The folder a lacks b.mat.'
    """


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures in a folder and below it, by name and sorted. A name is the path within the folder without its
    suffix.

    Raises:
        UsageError: the folder is missing or empty, or two pictures differ only in their suffix.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.png").write_bytes(b"pixels")
    ...     list(pictures(Path(folder)))
    ['a']
    """
    from unnoise.images import find_pictures

    require(folder)
    found = find_pictures([folder], recursive=True)
    return by_name((path.relative_to(folder).with_suffix("").as_posix(), path) for path in found)


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """The files by name, sorted.

    Raises:
        UsageError: two files have the same name.

    >>> by_name([("b", Path("b.png")), ("a", Path("a.png"))])
    {'a': PosixPath('a.png'), 'b': PosixPath('b.png')}
    """
    found: dict[str, Path] = {}
    for name, path in sorted(named):
        if name in found:
            raise UsageError(f"The files {found[name]} and {path} both have the name '{name}'; remove or rename one of them.")
        found[name] = path
    return found


def require(folder: Path) -> None:
    """Raise `UsageError` unless `folder` is a folder.

    >>> require(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "does not exist"
        raise MissingDataError(f"The data set's folder {folder} {problem}; give the folder that holds its files.")


def in_folders(folder: Path, *, clean_for_all: bool = True) -> list[Entry]:
    """Pairs from the folders `noisy/` and `clean/`, under the same names. Suffixes may differ.

    Args:
        folder: the folder that holds both.
        clean_for_all: whether a noisy picture without a clean one is an error. Otherwise it is left out.

    Raises:
        UsageError: a folder is missing, there is no pair, or a file has no partner.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for kind, suffix in (("noisy", "png"), ("clean", "tif")):
    ...         (Path(folder) / kind).mkdir()
    ...         _ = (Path(folder) / kind / f"a.{suffix}").write_bytes(b"pixels")
    ...     [(entry.name, entry.clean.name) for entry in in_folders(Path(folder))]
    [('a', 'a.tif')]
    """
    require(folder)
    noisy, clean = pictures(folder / "noisy"), pictures(folder / "clean")
    if not clean_for_all:
        noisy = {name: path for name, path in noisy.items() if name in clean}
    return match(noisy, clean, f"{folder}/noisy and {folder}/clean", "pictures of the same names")


def by_ending(folder: Path, noisy: str, clean: str) -> list[Entry]:
    """Pairs of files in one folder that differ in the ends of their names, such as ``_real.png``. Case does not matter.

    Raises:
        UsageError: the folder is missing, there is no pair, or a file has no partner.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a_real.png", "a_mean.png"):
    ...         _ = (Path(folder) / name).write_bytes(b"pixels")
    ...     [entry.name for entry in by_ending(Path(folder), "_real.png", "_mean.png")]
    ['a']
    """
    require(folder)
    files = [path for path in folder.iterdir() if path.is_file()]

    def ending(end: str) -> dict[str, Path]:
        return by_name((path.name[: -len(end)], path) for path in files if path.name.lower().endswith(end.lower()))

    return match(ending(noisy), ending(clean), str(folder), f"files named *{noisy} and *{clean}")


def match(noisy: Mapping[str, Pixels], clean: Mapping[str, Pixels], place: str, expected: str) -> list[Entry]:
    """Join the files of the same name. Raises `UsageError` if there are none, or if a file has no partner.

    >>> [entry.name for entry in match({"a": Path("n/a.png")}, {"a": Path("c/a.png")}, "here", "noisy/ and clean/")]
    ['a']
    """
    if not noisy.keys() & clean.keys():
        raise MissingDataError(f"No pairs were found in {place}; this data set consists of {expected}.")
    for name in sorted(noisy.keys() ^ clean.keys()):
        alone, missing = (noisy[name], "clean") if name in noisy else (clean[name], "noisy")
        raise UsageError(f"The file {alone} has no {missing} partner; add it, or remove the file.")
    return [Entry(name, noisy[name], clean[name]) for name in noisy]
