"""`sidd-benchmark:DIR`: 1,280 noisy blocks of 256×256, to be denoised and sent to SIDD's server (Abdelhamed et al., CVPR
2018).

The file is `BenchmarkNoisyBlocksSrgb.mat`. The clean pictures are not published; see `unnoise.evaluation.submissions`.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import MissingDataError, require
from unnoise.evaluation.datasets.sidd_blocks import blocks

NOISY = "BenchmarkNoisyBlocksSrgb.mat"

ABOUT = About(
    layout=f"holds {NOISY}",
    where="is to be had at https://abdokamel.github.io/sidd/ (SIDD benchmark data)",
    editions=(Edition("all 40 scenes", pictures=1280, shape=(256, 256, 3)),),
)


def entries(folder: Path) -> list[Entry]:
    """The blocks by scene. Raises `UsageError` if the file is missing.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    if not (folder / NOISY).is_file():
        raise MissingDataError(f"The folder {folder} lacks the file {NOISY}.")
    return [Entry(name, pixels) for name, pixels in blocks(folder / NOISY).items()]
