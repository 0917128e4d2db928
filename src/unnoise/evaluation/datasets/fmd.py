"""`fmd:DIR`: fluorescence microscopy at five noise levels (Zhang et al., "A Poisson-Gaussian Denoising Dataset with Real
Fluorescence Microscopy Images", CVPR 2019).

Each sample, such as `Confocal_BPAE_B`, has the folders `raw`, `avg2`, `avg4`, `avg8` and `avg16`, each with a folder for
each of 20 fields of view of 50 pictures. The clean picture of field 19 is `gt/19/avg50.png`, the mean of 50. In
`test_mix` the levels and `gt` hold pictures of the same names. DIR is a sample, or the folder of all of them.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.errors import UsageError
from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import MissingDataError, pictures, require

LEVELS = "raw", "avg2", "avg4", "avg8", "avg16"
TRUTH = "avg50"

ABOUT = About(
    layout="holds samples such as Confocal_BPAE_B, each with raw/, avg2/ … and gt/",
    where="is to be had at https://github.com/yinhaoz/denoising-fluorescence (its link to the data)",
    editions=(
        Edition("12 samples", pictures=60_000, shape=(512, 512)),
        Edition("one sample", pictures=5_000, shape=(512, 512)),
        Edition("test_mix", pictures=240, shape=(512, 512)),
    ),
)


def entries(folder: Path) -> list[Entry]:
    """The pictures by sample, level and field of view. Raises `UsageError` if there is none, or a field has no truth.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    samples = [folder] if (folder / "gt").is_dir() else sorted(path.parent for path in folder.glob("*/gt") if path.is_dir())
    found = [entry for sample in samples for entry in _of_sample(sample)]
    if not found:
        raise MissingDataError(f"The folder {folder} holds no sample with gt/ and one of {', '.join(LEVELS)}.")
    return found


def _of_sample(sample: Path) -> list[Entry]:
    truth = pictures(sample / "gt")
    made = []
    for level in LEVELS:
        noisy = pictures(sample / level) if (sample / level).is_dir() else {}
        for name, path in noisy.items():
            field = name.rpartition("/")[0]
            clean = truth.get(f"{field}/{TRUTH}") if field else truth.get(name)
            if clean is None:
                wanted = f"gt/{field}/{TRUTH}.png" if field else f"gt/{path.name}"
                raise UsageError(f"The file {path} has no clean partner {sample / wanted}; add it, or remove the file.")
            made.append(Entry(f"{sample.name}/{level}/{name}", path, clean))
    return made
