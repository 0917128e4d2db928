"""`sidd-val:DIR`: blocks of 256×256 from the SIDD validation set (Abdelhamed et al., CVPR 2018), sRGB, one file each.

The files are `noisy/SS_BB.webp` and `clean/SS_BB.webp` for scene SS and block BB, in any lossless format. Scenes without truth
may be there (one can train on them): they are left out here.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import in_folders


def entries(folder: Path) -> list[Entry]:
    """The blocks that have a clean picture. Raises `UsageError` when none has, or a clean one has no noisy."""
    return in_folders(folder, clean_for_all=False)
