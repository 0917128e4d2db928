"""What `unnoise train` learns from: files and folders, data sets written as SET:DIR, and the second pictures of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from unnoise.evaluation.datasets.base import Entry, Pixels


def resolve(
    given: Sequence[Path], targets: Path | None, recipe: str, overrides: dict[str, Any], axes: str | None
) -> tuple[list[Any], list[Any] | None]:
    """The noisy pictures and, where the recipe's scheme learns from pairs, their targets in the same order.

    Args:
        given: files and folders, or one data set as SET:DIR.
        targets: a folder with a second picture of each, or a file beside one file.
        recipe, overrides: what will be trained.
        axes: of arrays; they go with files and folders alone.

    Raises:
        UsageError: the data set is unknown or lacks the clean pictures that the scheme wants, or pictures have no partner.
    """
    spec = next((str(one) for one in given if is_data_set(one)), None)
    if spec is None:
        return (list(given), None) if targets is None else _matched(given, targets)
    if len(given) > 1:
        raise UsageError(f"A training takes files and folders, or one data set; give {spec} alone.")
    if targets is not None:
        raise UsageError(f"The data set {spec} brings its own clean pictures; leave out --targets.")
    if axes is not None:
        raise UsageError(f"The pictures of {spec} have no axes to name; leave out --axes.")
    from unnoise.evaluation.datasets import open_set

    pictures = open_set(spec)
    if not _wants_pairs(recipe, overrides):
        return [_source(entry.noisy) for entry in pictures.entries], None
    if not pictures.has_truth:
        raise UsageError(
            f"The data set {spec} has no clean pictures, and the recipe '{recipe}' learns from pairs; give one that has."
        )
    return _both(pictures.entries)


def is_data_set(given: Path) -> bool:
    """Whether an argument is SET:DIR and no file.

    >>> is_data_set(Path("pairs:photos")), is_data_set(Path("photos"))
    (True, False)
    """
    from unnoise.evaluation.datasets import names

    name, colon, _ = str(given).partition(":")
    return bool(colon) and name in names() and not given.exists()


def _matched(given: Sequence[Path], targets: Path) -> tuple[list[Any], list[Any]]:
    from unnoise.evaluation.datasets.pairing import match, pictures

    if len(given) > 1:
        raise UsageError("With --targets a training takes one folder of noisy pictures; give one.")
    noisy = given[0]
    if noisy.is_dir() != targets.is_dir():
        raise UsageError(f"{noisy} and {targets} must both be folders, or both be files; give two of a kind.")
    if not noisy.is_dir():
        return [noisy], [targets]
    return _both(match(pictures(noisy), pictures(targets), f"{noisy} and {targets}", "pictures of the same names"))


def _both(entries: Sequence[Entry]) -> tuple[list[Any], list[Any]]:
    return [_source(entry.noisy) for entry in entries], [_source(entry.clean) for entry in entries if entry.clean is not None]


def _source(place: Pixels) -> Any:
    """A file, or the pixels of a part of a file."""
    return place if isinstance(place, Path) else place.read()


def _wants_pairs(recipe: str, overrides: dict[str, Any]) -> bool:
    from unnoise import recipes
    from unnoise.recipes.auto import AUTO

    return recipe != AUTO and recipes.load(recipe, overrides).scheme.needs_targets
