"""`sidd-val:DIR`: 1,280 blocks of 256×256, the sRGB validation set of SIDD (Abdelhamed et al., CVPR 2018).

Either the two files `ValidationNoisyBlocksSrgb.mat` and `ValidationGtBlocksSrgb.mat`, as published, or one picture file
a block: `noisy/SS_BB.webp` and `clean/SS_BB.webp` for scene SS and block BB, in any lossless format. Blocks in folders
without a clean picture are left out here; they can be trained on.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import in_folders, match, require
from unnoise.evaluation.datasets.sidd_blocks import blocks

NOISY, CLEAN = "ValidationNoisyBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat"

ABOUT = About(
    layout=f"holds {NOISY} and {CLEAN}, or the blocks as pictures in noisy/ and clean/",
    where="is to be had at https://abdokamel.github.io/sidd/ (SIDD benchmark, validation data)",
    editions=(
        Edition("all 40 scenes", pictures=1280, shape=(256, 256, 3)),
        Edition("scenes 25 to 30", pictures=192, shape=(256, 256, 3), noisy_psnr_db=24.78),
    ),
)


def entries(folder: Path) -> list[Entry]:
    """The blocks that have a clean picture. Raises `UsageError` if none has, or if a clean block has no noisy one.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    noisy, clean = folder / NOISY, folder / CLEAN
    if noisy.is_file() and clean.is_file():
        return match(blocks(noisy), blocks(clean), str(folder), "blocks of the same names")
    return in_folders(folder, clean_for_all=False)
