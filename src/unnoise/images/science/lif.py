"""LIF of Leica (extra `lif`) by liffile: each series is a scene with T, Z and C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.science.base import require_bytes
from unnoise.images.science.czi import refuse_axes
from unnoise.images.science.microscope import MicroscopeFile, Scene
from unnoise.registry import require

MICROMETERS = 1e6
KNOWN = "TZCYXS"


def open_file(path: Path, letters: str | None) -> MicroscopeFile:
    """UsageError: axes that are not supported, or no series. UnnoiseError: it is damaged, or liffile is missing."""
    liffile: Any = require("liffile", "LIF")
    refuse_axes(path, letters)
    try:
        file = liffile.LifFile(path)
        series = [image for image in file.images if len(image.shape) >= 2 and not image.is_flim]
        made = [_scene(path, image) for image in series]
    except UnnoiseError:
        raise
    except Exception as error:  # LifFileError, and others
        raise damaged(path, error) from error
    if not made:
        raise UsageError(f"{path} has no series of pictures; give another file.")
    return MicroscopeFile(path, "LIF", made, file.close)


def _scene(path: Path, image: Any) -> Scene:
    letters, shape = "".join(image.dims), tuple(int(size) for size in image.shape)
    outer = letters.rstrip("S")[:-2]
    name = f"{path.stem}, {image.name}"
    if not set(letters) <= set(KNOWN) or not letters.rstrip("S").endswith("YX") or letters.count("S") > 1:
        raise UsageError(
            f"{path} has a series with the axes {', '.join(image.dims)}, which are not supported; export it as TIFF."
        )
    block = image.memory_block
    require_bytes(path, path, int(block.offset) + int(image.nbytes))
    frames = image.frames
    sizes = shape[: len(outer)]

    def load(place: tuple[int, ...]) -> Pixels:
        index = int(np.ravel_multi_index(place, sizes)) if sizes else 0
        return np.ascontiguousarray(frames[index])

    steps = {}
    for axis in "XYZT":
        values = np.asarray(image.coords.get(axis, ()), float)
        if values.size > 1 and (step := abs(float(values[-1] - values[0])) / (values.size - 1)) > 0:
            steps[axis] = step if axis == "T" else step * MICROMETERS
    return Scene(name, letters, shape, np.dtype(image.dtype).newbyteorder("="), load, steps)
