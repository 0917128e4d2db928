"""`dnd:DIR`: 1,000 crops of 50 noisy photographs, to be denoised and sent to DND's server (Plötz and Roth, CVPR 2017).

The files are `info.mat`, which has 20 boxes for each photograph, and `images_srgb/0001.mat` to `0050.mat`, all HDF5. The
clean pictures are not published; see `unnoise.evaluation.submissions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError
from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.mat_files import MatArray, MatPixels, in_hdf5
from unnoise.evaluation.datasets.pairing import MissingDataError, require

ABOUT = About(
    layout="holds info.mat and images_srgb/0001.mat to 0050.mat",
    where="is to be had at https://noise.visinf.tu-darmstadt.de (Downloads, after registration)",
    editions=(Edition("20 crops of each of 50 pictures", pictures=1000, shape=(512, 512, 3)),),
)


def entries(folder: Path) -> list[Entry]:
    """The crops by name, ``NNNN_BB`` for photograph NNNN and box BB, from 1.

    Raises:
        UsageError: a file is missing.
        UnnoiseError: `info.mat` is damaged, or has no boxes.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    if not (folder / "info.mat").is_file():
        raise MissingDataError(f"The folder {folder} lacks the file info.mat.")
    found = []
    for number, corners in enumerate(boxes(folder / "info.mat"), start=1):
        path = folder / "images_srgb" / f"{number:04d}.mat"
        if not path.is_file():
            raise MissingDataError(f"The folder {folder} lacks the file images_srgb/{path.name}.")
        array = MatArray(path, "InoisySRGB")
        for box, (top, left, bottom, right) in enumerate(corners.tolist(), start=1):
            found.append(Entry(f"{number:04d}_{box:02d}", MatPixels(array, (), (slice(top, bottom), slice(left, right)))))
    return found


def boxes(info: Path) -> list[NDArray[np.int64]]:
    """The boxes of each photograph, (boxes, 4): top, left, bottom, right. Counted from 0, and the ends are not included.

    Raises:
        UnnoiseError: the file is damaged, or has no boxes.

    >>> boxes(Path("none.mat"))
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none.mat cannot be decoded ...
    """

    def of_file(file: Any) -> list[NDArray[np.int64]]:
        if "info" not in file or "boundingboxes" not in file["info"]:
            raise UnnoiseError(f"{info} lacks info.boundingboxes; get DND's own info.mat.")
        # MATLAB counts rows and columns from 1, and its ends are included
        return [
            np.asarray(file[reference]).T.astype(np.int64) - np.array([1, 1, 0, 0], np.int64)
            for reference in np.asarray(file["info"]["boundingboxes"]).ravel()
        ]

    found: list[NDArray[np.int64]] = in_hdf5(info, of_file)
    return found
