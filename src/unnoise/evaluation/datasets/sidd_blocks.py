"""The blocks of SIDD's validation and benchmark sets, which are published as arrays of MATLAB, (40, 32, 256, 256, 3)."""

from __future__ import annotations

from pathlib import Path

from unnoise.errors import UsageError
from unnoise.evaluation.datasets.base import PixelFile
from unnoise.evaluation.datasets.mat_files import MatArray, MatPixels


def blocks(path: Path) -> dict[str, PixelFile]:
    """The blocks of one file by name, ``SS_BB`` for scene SS and block BB, from 01. The array is named as the file.

    Raises:
        UsageError: the array has another number of axes.
        UnnoiseError: the file is damaged, or lacks the array.

    >>> import tempfile
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savemat(f"{folder}/Noisy.mat", {"Noisy": np.zeros((1, 2, 4, 5, 3), np.uint8)})
    ...     list(blocks(Path(folder) / "Noisy.mat"))
    ['01_01', '01_02']
    """
    array = MatArray(path, path.stem)
    if len(array.shape) != 5:
        raise UsageError(f"{path} holds an array {array.shape}, not (scenes, blocks, H, W, 3); give SIDD's own file.")
    scenes, count = array.shape[:2]
    return {
        f"{scene + 1:02d}_{block + 1:02d}": MatPixels(array, (scene, block))
        for scene in range(scenes)
        for block in range(count)
    }
