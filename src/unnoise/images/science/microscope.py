"""Files of microscopes (CZI, ND2, LIF), which are read alone: scenes with named axes, sizes of pixels, and channels.

Results are OME-TIFF or OME-Zarr, which get all this.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images.arrays_on_disk import Axes
from unnoise.images.picture import Layout, Pixels
from unnoise.images.science.base import ReadOnly, Volume
from unnoise.images.science.planes import Planes

OUTER = "TZC"
"""Axes that OME knows beside those of a picture; others are counted together with time."""
UNITS = {"X": "micrometer", "Y": "micrometer", "Z": "micrometer", "T": "second"}
SHORT_UNITS = {"X": "µm", "Y": "µm", "Z": "µm", "T": "s"}


@dataclass(frozen=True)
class Scene:
    """One picture or stack of a microscope's file."""

    name: str
    letters: str
    """Of the axes, slowest first: T, Z and C number pictures, then Y, X, and S of colors."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[tuple[int, ...]], Pixels]
    """Reads the picture at these places of the outer axes."""
    steps: dict[str, float] = field(default_factory=dict)
    """Letter → how far its steps are apart: X, Y and Z in micrometers, T in seconds; absent: unknown."""
    channels: tuple[str, ...] = ()

    @property
    def inner(self) -> int:
        """How many of the last axes are one picture."""
        return 3 if self.letters.endswith("S") else 2

    def volume(self) -> Volume:
        """The scene as an array. Each channel is a picture by itself, since files store them so."""
        array = Planes(self.shape, self.dtype, self.load, self.inner)
        layout = Layout("rgb") if self.inner == 3 else Layout("channels") if self.dtype.itemsize == 1 else None
        return Volume(array, Axes(self.letters.replace("C", "N")), layout)


class MicroscopeFile(ReadOnly):
    """An open file of a microscope; each scene is a volume."""

    def __init__(self, path: Path, kind: str, scenes: Sequence[Scene], close: Callable[[], None]) -> None:
        self.kind, self.scenes = kind, tuple(scenes)
        self._finalizer = weakref.finalize(self, close)
        super().__init__(path, [scene.volume() for scene in scenes])

    @property
    def description(self) -> bytes:
        """OME-XML for the first page of a TIFF."""
        return ome_xml(self.scenes)

    @property
    def ngff(self) -> dict[str, Any] | None:
        """What the group of an OME-Zarr says; None: there are several scenes."""
        return ngff(self.scenes[0]) if len(self.scenes) == 1 else None


def ome_xml(scenes: Sequence[Scene]) -> bytes:
    """Make OME-XML of scenes whose pictures are the pages of a TIFF, one after the other."""
    import tifffile

    made = tifffile.OmeXml()
    for scene in scenes:
        outer, frame = scene.shape[: -scene.inner], scene.shape[-scene.inner :]
        samples = frame[2] if scene.inner == 3 else 1
        said: dict[str, Any] = {"Name": scene.name}
        for letter, step in scene.steps.items():
            said |= (
                {"TimeIncrement": step, "TimeIncrementUnit": "s"}
                if letter == "T"
                else {f"PhysicalSize{letter}": step, f"PhysicalSize{letter}Unit": "µm"}
            )
        if scene.channels:
            said["Channel"] = {"Name": list(scene.channels)}
        stored = (math.prod(outer), 1, 1, frame[0], frame[1], samples)
        made.addimage(scene.dtype, scene.shape, stored, axes=scene.letters, **said)
    return bytes(made.tostring(declaration=True).encode("utf-8"))


def ngff(scene: Scene) -> dict[str, Any]:
    """Make the attributes of an OME-Zarr (NGFF 0.5) of one scale, whose array is named `0`."""
    kinds = {"T": "time", "C": "channel", "S": "channel"}
    axes = [
        {"name": letter.lower(), "type": kinds.get(letter, "space")}
        | ({"unit": UNITS[letter]} if letter in scene.steps else {})
        for letter in scene.letters
    ]  # fmt: skip
    scale = [scene.steps.get(letter, 1.0) for letter in scene.letters]
    transform = [{"type": "scale", "scale": scale}]
    said: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [
            {"name": scene.name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transform}]}
        ],
    }
    if scene.channels:
        said["omero"] = {"channels": [{"label": name} for name in scene.channels]}
    return {"ome": said}
