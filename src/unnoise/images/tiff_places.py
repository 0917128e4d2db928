"""Where the pictures of a TIFF file lie: its pages, the slices of volumes, and smaller versions of the same picture."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from unnoise.files.limits import PAGES
from unnoise.images import tags
from unnoise.images.single_page import SinglePage
from unnoise.images.tags import SIZES, File

SUBDIRECTORIES = 330
"""Smaller versions of the picture, or other pictures, below a page."""


@dataclass(frozen=True)
class Place:
    """The place of a picture in a file."""

    page: int
    part: int = 0
    """Which slice, of a volume."""
    overviews: tuple[int, ...] = ()
    """Where the directories of pages lie that show the same picture smaller."""
    below: tuple[int, ...] = ()
    """Where such directories lie that are no pages, but below this one."""
    directory: int = 0
    """Where its directory lies in the file; 0: the first one."""
    is_one_of_many: bool = False
    """Whether the file has other pages, which decoders must not see."""


MANY_PAGES = 1
"""Beyond so many pages each is decoded as a file of its own: libvips gives up where another page has a codec that it
lacks, and walks through all pages."""


def single_page(path: Path, place: Place) -> SinglePage | None:
    """A page of several as a file of its own; None: the file has no other."""
    if not place.is_one_of_many:
        return None
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        file = File.of(data)
        return SinglePage(path, place.directory, file) if file else None


def places(path: Path) -> list[Place]:
    """List the pictures of the file's chain of directories. There is at least one, so that the decoder can report errors.

    Raises:
        ValueError: the chain is broken, so the number of pictures is unknown.
        UnnoiseError: it is longer than `limits.PAGES`.
    """
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        file = File.of(data)
        if file is None:
            return [Place(0)]
        directories = [place for place, _ in islice(file.directories(), PAGES.value() + 1)]
        PAGES.check(len(directories), str(path))
        if directories and not file.ends(directories[-1]):
            raise ValueError(f"its chain of pages is broken after page {len(directories)}")
        found = [_size(file, place) for place in directories]
        samples = [_samples(file, place) for place in directories]
        below = [overviews_below(file, place) for place in directories]
    made: list[Place] = []
    full: tuple[int, int] | None = None
    of_full: tuple[int, int] | None = None
    many = len(directories) > MANY_PAGES
    for page, (directory, (height, width, depth, kind), under) in enumerate(zip(directories, found, below, strict=True)):
        smaller = full is not None and samples[page] == of_full and _is_smaller((height, width), full)
        if kind & 1 and smaller and made and depth == 1:
            made[-1] = replace(made[-1], overviews=(*made[-1].overviews, directory))
            continue
        full, of_full = (height, width) if depth == 1 else None, samples[page]
        made += [Place(page, part, (), under, directory, many) for part in range(depth)]
    return made or [Place(0)]


def below(file: File, place: int) -> tuple[int, ...]:
    """Where the directories lie that a page has below it (SubIFDs)."""
    for code, record in file.entries(place):
        value = file.value(record) if code == SUBDIRECTORIES else None
        if value:
            width = SIZES[value.kind]
            parts = (value.data[at : at + width] for at in range(0, len(value.data), width))
            return tuple(int.from_bytes(part, "little") for part in parts)
    return ()


def overviews_below(file: File, place: int) -> tuple[int, ...]:
    """Those of `below` that show the page's picture smaller, as in pyramids of OME-TIFF."""
    height, width, depth, _ = _size(file, place)
    made = []
    for directory in below(file, place):
        *size, deep, kind = _size(file, directory)
        same = _samples(file, directory) == _samples(file, place)
        if kind & 1 and depth == deep == 1 and same and _is_smaller((size[0], size[1]), (height, width)):
            made.append(directory)
    return tuple(made)


def sizes(path: Path, directories: Sequence[int]) -> list[tuple[int, int]]:
    """Read height and width of pages, by where their directories lie."""
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        file = File.of(data)
        return [_size(file, place)[:2] for place in directories] if file else []


MOST_SLICES = 100_000
"""Of a volume; more is damage."""


def _size(file: File, place: int) -> tuple[int, int, int, int]:
    """Height, width, number of slices, and NewSubfileType of a page."""
    wanted = {257: 0, 256: 0, 32997: 1, tags.SUBFILE: 0}
    for code, record in file.entries(place):
        if code in wanted:
            value = file.value(record)
            wanted[code] = int.from_bytes(value.data[:4], "little") if value else wanted[code]
    depth = wanted[32997]
    return wanted[257], wanted[256], depth if 0 < depth < MOST_SLICES else 1, wanted[tags.SUBFILE]


def _samples(file: File, place: int) -> tuple[int, int]:
    """Number of samples of a pixel, and bits of the first: a smaller picture of another kind is one of its own."""
    wanted = {277: 1, 258: 1}
    for code, record in file.entries(place):
        if code in wanted:
            value = file.value(record)
            wanted[code] = int.from_bytes(value.data[:2], "little") if value else wanted[code]
    return wanted[277], wanted[258]


def _is_smaller(size: tuple[int, int], full: tuple[int, int]) -> bool:
    """Whether a page of this size can show the same picture as one of size `full`, at most two thirds as large."""
    (height, width), (rows, columns) = size, full
    return 0 < 3 * height <= 2 * rows and 3 * width <= 2 * columns and abs(height * columns - width * rows) <= max(full)
