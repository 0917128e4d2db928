"""Checking that a data set is whole: how many pictures, of which shapes and types, and whether noisy and clean belong
together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from unnoise.errors import UnnoiseError
from unnoise.evaluation.datasets.about import Edition
from unnoise.evaluation.datasets.base import DataSet, Pair, read_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

PSNR_TOLERANCE_DB = 0.02
"""So far the noisy pictures' mean PSNR may lie from the published one, which has two digits."""
MOST_PROBLEMS = 20
"""More problems than these are counted and not told."""
DIGEST_LETTERS = 16


@dataclass(frozen=True)
class DataCheck:
    """What a check found.

    >>> DataCheck("cc15:d", 15, {"(512, 512, 3)": 15}, {"uint8": 15}, "crops", 33.41, "0f", ()).is_whole
    True
    """

    data: str
    """The data set as SET:DIR."""
    pictures: int
    shapes: dict[str, int]
    """Shape → how many pictures have it."""
    types: dict[str, int]
    """Number type → how many pictures have it."""
    edition: str | None
    """The published edition that the set is; None: of the user's own."""
    noisy_psnr_db: float | None
    """Mean PSNR of the noisy pictures by protocol *default*; None: there is no truth."""
    digest: str
    """The first letters of a SHA-256 of all pixels, so that two copies can be compared."""
    problems: tuple[str, ...]
    """A sentence each."""

    @property
    def is_whole(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def check(data: DataSet, progress: Callable[[int, int], None] | None = None) -> DataCheck:
    """Read all pictures of a data set and compare them with what is known of it.

    Args:
        data: from `unnoise.evaluation.datasets.open_set`.
        progress: called with (pictures done, pictures in all).

    >>> import tempfile
    >>> from pathlib import Path
    >>> from unnoise.evaluation.datasets import open_set
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.zeros((8, 9), np.uint8))
    ...     check(open_set(f"folder:{folder}")).shapes
    {'8×9': 1}
    """
    shapes, types = Counter[str](), Counter[str]()
    problems: list[str] = []
    ratios = []
    digest = hashlib.sha256()
    for done, entry in enumerate(data.entries, start=1):
        try:
            pair = read_pair(entry)
        except UnnoiseError as error:
            problems.append(str(error))
            continue
        shapes["×".join(map(str, pair.noisy.shape))] += 1
        types[pair.noisy.dtype.name] += 1
        for pixels in (pair.noisy, pair.clean):
            if pixels is not None:
                digest.update(repr((pixels.shape, pixels.dtype.str)).encode() + np.ascontiguousarray(pixels).tobytes())
        problems += _problems(pair, data)
        if pair.clean is not None:
            ratios.append(_psnr(pair.noisy, pair.clean))
        if progress:
            progress(done, len(data))
    edition = _edition(data)
    psnr = fmean(ratios) if ratios else None
    problems += _as_published(data, edition, psnr)
    if len(problems) > MOST_PROBLEMS:
        problems = [*problems[:MOST_PROBLEMS], f"There are {len(problems) - MOST_PROBLEMS} more problems."]
    name = edition.name if edition else None
    letters = digest.hexdigest()[:DIGEST_LETTERS]
    return DataCheck(data.name, len(data), dict(shapes), dict(types), name, psnr, letters, tuple(problems))


def _problems(pair: Pair, data: DataSet) -> list[str]:
    """What is wrong with one picture."""
    found = []
    known = [edition.shape for edition in data.about.editions if len(data) <= edition.pictures] if data.about else []
    if known and None not in known and pair.noisy.shape not in known:
        found.append(f"The picture {pair.name} is {pair.noisy.shape}, and not {' or '.join(map(str, dict.fromkeys(known)))}.")
    if pair.clean is not None and np.array_equal(pair.noisy, pair.clean):
        found.append(f"The noisy and the clean picture {pair.name} are the same; one file was put in the other's place.")
    if not np.isfinite(pair.noisy).all():
        found.append(f"The noisy picture {pair.name} has values that are no numbers.")
    return found


def _edition(data: DataSet) -> Edition | None:
    """The published edition with as many pictures, else the smallest larger one."""
    editions = sorted(data.about.editions, key=lambda each: each.pictures) if data.about else []
    return next((each for each in editions if len(data) <= each.pictures), editions[-1] if editions else None)


def _as_published(data: DataSet, edition: Edition | None, psnr: float | None) -> list[str]:
    if edition is None:
        return []
    if len(data) != edition.pictures:
        counts = " or ".join(f"{each.pictures:,} ({each.name})" for each in data.about.editions) if data.about else ""
        return [f"The set has {len(data):,} pictures, and not {counts}; the data {data.about.where if data.about else ''}."]
    known = edition.noisy_psnr_db
    if known is not None and psnr is not None and abs(psnr - known) > PSNR_TOLERANCE_DB:
        return [f"The noisy pictures have {psnr:.2f} dB, and the published ones {known:.2f} dB; these are other pictures."]
    return []


def _psnr(noisy: NDArray[Any], clean: NDArray[Any]) -> float:
    """By protocol *default*, without its SSIM, which takes most of the time."""
    from unnoise.images.pixels import to_unit_float

    levels = [(to_unit_float(pixels).astype(np.float64) * 255).round().clip(0, 255) for pixels in (noisy, clean)]
    error = float(np.square(levels[0] - levels[1]).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
