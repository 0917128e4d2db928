"""`cc15:DIR`: 15 crops of 512×512 (Nam et al., "A Holistic Approach to Cross-Channel Image Noise Modeling", CVPR 2016).

The clean picture is the mean of 500 shots.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import by_ending

ABOUT = About(
    layout="holds *_real.png and *_mean.png",
    where="is to be had at https://github.com/csjunxu/MCWNNM-ICCV2017 (folder Real_ccnoise_denoised_part)",
    editions=(Edition("crops", pictures=15, shape=(512, 512, 3), noisy_psnr_db=33.41),),
)


def entries(folder: Path) -> list[Entry]:
    """The pairs `*_real.png` (noisy) and `*_mean.png` (clean). Raises `UsageError` if a file has no partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    return by_ending(folder, "_real.png", "_mean.png")
