"""ND2 of Nikon (extra `nd2`): positions are scenes, with T, Z and C."""

from __future__ import annotations

import contextlib
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.science.czi import refuse_axes
from unnoise.images.science.microscope import MicroscopeFile, Scene
from unnoise.registry import require

POSITION = "P"


def open_file(path: Path, letters: str | None) -> MicroscopeFile:
    """UsageError: axes that are not supported. UnnoiseError: it is damaged, or nd2 is missing."""
    nd2: Any = require("nd2", "ND2")
    refuse_axes(path, letters)
    with contextlib.ExitStack() as closing:
        return _opened(path, nd2, closing)


def _opened(path: Path, nd2: Any, closing: contextlib.ExitStack) -> MicroscopeFile:
    try:
        file = nd2.ND2File(path)
        closing.callback(file.close)
        sizes = dict(file.sizes)
        odd = [axis for axis in sizes if axis not in "TZCPYXS"]
        if odd:
            raise UsageError(f"{path} has the axes {', '.join(odd)}, which are not supported; export it as TIFF.")
        made = [_scene(path, file, sizes, position) for position in range(sizes.get(POSITION, 1))]
    except UnnoiseError:
        raise
    except Exception as error:  # nd2 raises nearly every kind
        raise damaged(path, error) from error
    closing.pop_all()
    return MicroscopeFile(path, "ND2", made, file.close)


def _scene(path: Path, file: Any, sizes: dict[str, int], position: int) -> Scene:
    """One position. Its pictures are found by their places in the loops of the experiment, slowest first."""
    loops = [axis for axis in sizes if axis in "TZP"]
    outer = [axis for axis in sizes if axis in "TZC"]
    color = "S" in sizes
    counts = [range(sizes[axis]) for axis in loops]
    numbers = {place: number for number, place in enumerate(itertools.product(*counts))}
    if file.attributes.sequenceCount < math.prod(len(part) for part in counts):
        raise ValueError("it has fewer pictures than its loops promise")

    def load(place: tuple[int, ...]) -> Pixels:
        at = dict(zip(outer, place, strict=True)) | {POSITION: position}
        frame = np.asarray(file.read_frame(numbers[tuple(at[axis] for axis in loops)]))
        if "C" in sizes:
            frame = frame[at["C"]]
        return np.ascontiguousarray(frame)

    shape = (*(sizes[axis] for axis in outer), sizes["Y"], sizes["X"], *((sizes["S"],) if color else ()))
    voxel = file.voxel_size()
    steps = {
        axis: float(step) for axis, step in zip("XYZ", voxel, strict=True) if step and step > 0 and axis in (*outer, "X", "Y")
    }
    channels = _channels(file) if "C" in outer else ()
    name = path.stem if POSITION not in sizes else f"{path.stem}, position {position}"
    letters = "".join(outer) + "YX" + "S" * color
    return Scene(
        name,
        letters,
        shape,
        np.dtype(file.dtype),
        load,
        steps,
        channels if len(channels) == sizes.get("C") else (),
    )


def _channels(file: Any) -> tuple[str, ...]:
    """The names of channels. nd2 fails on metadata of planes without a dye; then they have none."""
    try:
        return tuple(str(channel.channel.name) for channel in file.metadata.channels or ())
    except Exception:  # UnboundLocalError, KeyError …
        return ()
