"""`polyu:DIR`: 100 crops of 512×512 of 40 scenes, from five cameras (Xu et al., 2018).

The paper is "Real-world Noisy Image Denoising: A New Benchmark". The clean picture is the mean of many shots. Both
files are JPEG, as published.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import by_ending


def entries(folder: Path) -> list[Entry]:
    """The pairs `*_real.JPG` (noisy) and `*_mean.JPG` (clean). Raises `UsageError` if a file has no partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    return by_ending(folder, "_real.JPG", "_mean.JPG")
