"""`nam:DIR`: 25 crops of 512×512 of the pictures of Nam et al., as papers cut them for blind-spot networks.

The paper is "A Holistic Approach to Cross-Channel Image Noise Modeling" (CVPR 2016). The files are `NN_noise.png` and
`NN_gt.png`, in two folders of any names.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import by_name, match, pictures, require

ABOUT = About(
    layout="holds two folders, one with NN_noise.png and one with NN_gt.png",
    where="is to be had in the data of the papers that use it; the whole pictures are at http://snam.ml/research/ccnoise",
    editions=(Edition("crops", pictures=25, shape=(512, 512, 3)),),
)


def entries(folder: Path) -> list[Entry]:
    """The pairs by number. Raises `UsageError` if a picture has no partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    found = list(pictures(folder).values())

    def of(end: str) -> dict[str, Path]:
        return by_name((path.stem[: -len(end)], path) for path in found if path.stem.lower().endswith(end))

    return match(of("_noise"), of("_gt"), str(folder), "files named NN_noise.png and NN_gt.png")
