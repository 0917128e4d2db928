"""What a data set is: names and files. Pictures are read one pair at a time, so memory holds only one pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unnoise.evaluation.datasets.about import About


class PixelFile(Protocol):
    """Pixels that lie in a part of a file, such as a block in a file of MATLAB. Its `str` names the part."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def read(self) -> NDArray[Any]:
        """The pixels, (H, W) or (H, W, C); uint8, uint16 or float."""
        ...


Pixels = Path | PixelFile
"""A picture file, or a part of a file."""


@dataclass(frozen=True)
class Entry:
    """The files of one picture of a data set.

    >>> Entry("a", Path("noisy/a.png")).clean is None
    True
    """

    name: str
    noisy: Pixels
    clean: Pixels | None = None
    """None if there is no clean picture."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One picture of a data set, with its pixels.

    >>> import numpy as np
    >>> Pair("a", np.zeros((4, 4, 3), np.uint8), None).noisy.shape
    (4, 4, 3)
    """

    name: str

    noisy: NDArray[Any]
    """(H, W) or (H, W, C); uint8, uint16 or float."""

    clean: NDArray[Any] | None
    """The same picture without noise, of the same shape. None if there is no clean picture."""


class DataSet:
    """Pictures of a folder in a fixed order, with their clean versions if there are any. Iteration reads one pair at a
    time.

    >>> pictures = DataSet("folder:a", [Entry(str(number), Path(f"{number}.png")) for number in range(9)])
    >>> len(pictures), pictures.has_truth, [entry.name for entry in pictures.spread(3).entries]
    (9, False, ['0', '3', '6'])
    """

    def __init__(self, name: str, entries: Sequence[Entry], about: About | None = None) -> None:
        self.name = name
        """As the user wrote it, ``SET:DIR``."""
        self.entries = tuple(entries)
        self.about = about
        """What is known of the published set; None: nothing, or the set is the user's own."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Pair]:
        """Read the pairs in order.

        Raises:
            UsageError: the two pictures of a pair differ in size or channels.
            UnnoiseError: a file cannot be read.
        """
        return map(read_pair, self.entries)

    def spread(self, count: int) -> DataSet:
        """At most `count` of the entries, spread evenly over the set and in its order."""
        total = len(self)
        count = min(count, total)
        return DataSet(self.name, [self.entries[place * total // count] for place in range(count)], self.about)

    @property
    def has_truth(self) -> bool:
        """Whether every picture has a clean version."""
        return all(entry.clean is not None for entry in self.entries)


def read_pair(entry: Entry) -> Pair:
    """Read the pixels of one picture.

    Raises:
        UsageError: the two pictures of the pair differ in size or channels.
        UnnoiseError: a file cannot be read.

    >>> read_pair(Entry("a", Path("none.png")))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    noisy = _pixels(entry.noisy)
    clean = None if entry.clean is None else _pixels(entry.clean)
    if clean is not None and clean.shape != noisy.shape:
        sizes = f"{entry.noisy} is {_size(noisy)} and {entry.clean} is {_size(clean)}"
        raise UsageError(f"The pictures of a pair must agree in size and channels, but {sizes}; replace one of them.")
    return Pair(entry.name, noisy, clean)


def _pixels(place: Pixels) -> NDArray[Any]:
    from unnoise import images

    return images.read(place).pixels if isinstance(place, Path) else place.read()


def _size(pixels: NDArray[Any]) -> str:
    return "×".join(str(side) for side in pixels.shape)
