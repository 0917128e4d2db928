"""`sidd-val:DIR`: blocks of 256×256 from the sRGB validation set of SIDD (Abdelhamed et al., CVPR 2018), one file each.

The files are `noisy/SS_BB.webp` and `clean/SS_BB.webp` for scene SS and block BB, in any lossless format. Scenes
without a clean picture are left out here; they can be trained on.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import in_folders


def entries(folder: Path) -> list[Entry]:
    """The blocks that have a clean picture. Raises `UsageError` if none has, or if a clean block has no noisy one.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    return in_folders(folder, clean_for_all=False)
