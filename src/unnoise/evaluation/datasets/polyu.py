"""`polyu:DIR`: 100 crops of 512×512 of 40 scenes, from five cameras (Xu et al., 2018).

The paper is "Real-world Noisy Image Denoising: A New Benchmark". The clean picture is the mean of many shots. Both
files are JPEG, as published. DIR is the folder `CroppedImages`, or the one that it lies in. For the 40 whole pictures
give the folder `OriginalImages`.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import by_ending

ABOUT = About(
    layout="holds *_real.JPG and *_mean.JPG",
    where="is to be had at https://github.com/csjunxu/PolyU-Real-World-Noisy-Images-Dataset",
    editions=(
        Edition("crops", pictures=100, shape=(512, 512, 3), noisy_psnr_db=35.97),
        Edition("whole pictures", pictures=40),
    ),
)


def entries(folder: Path) -> list[Entry]:
    """The pairs `*_real.JPG` (noisy) and `*_mean.JPG` (clean). Raises `UsageError` if a file has no partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    inner = folder / "CroppedImages"
    return by_ending(inner if inner.is_dir() else folder, "_real.JPG", "_mean.JPG")
