"""CZI of Zeiss (extra `czi`) by pylibCZIrw: scenes with T, Z and C; the tiles of a mosaic are put together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.science.czi_blocks import Blocks
from unnoise.images.science.microscope import MicroscopeFile, Scene
from unnoise.registry import require

TYPES = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32", "Bgr24": "uint8", "Bgr48": "uint16"}
MICROMETERS = 1e6
PLANE_BYTES = 32
"""Each plane takes more: an entry of the directory alone has so many, and its own segment has a header of so many."""


def open_file(path: Path, letters: str | None) -> MicroscopeFile:
    """UsageError: other types or axes than are supported. UnnoiseError: it is damaged, or pylibCZIrw is missing."""
    require("pylibCZIrw", "CZI")
    from pylibCZIrw import czi

    refuse_axes(path, letters)
    try:
        reader = czi.CziReader(str(path))
        whole = reader.total_bounding_box_no_pyramid
        areas: dict[Any, Any] = dict(reader.scenes_bounding_rectangle_no_pyramid) or {None: None}
        steps, channels = _described(reader.raw_metadata)
        blocks = Blocks(path)
        made = [_scene(path, reader, blocks, whole, number, area, steps, channels) for number, area in areas.items()]
    except UnnoiseError:
        raise
    except Exception as error:  # RuntimeError of libCZI, and others
        raise damaged(path, error) from error
    return MicroscopeFile(path, "CZI", made, reader.close)


def refuse_axes(path: Path, letters: str | None) -> None:
    """Raise `UsageError` if axes were named, for these files name their own."""
    if letters is not None:
        raise UsageError(f"{path} names its axes itself; leave out --axes.")


def _scene(
    path: Path,
    reader: Any,
    blocks: Blocks,
    whole: Any,
    number: int | None,
    area: Any,
    steps: dict[str, float],
    names: list[str],
) -> Scene:
    odd = [axis for axis, (_, size) in whole.items() if axis not in "TZCXY" and size > 1]
    if odd:
        raise UsageError(f"{path} has the axes {', '.join(odd)}, which are not supported; split it in ZEN.")
    outer = {axis: whole[axis] for axis in "TZC" if axis in whole and whole[axis][1] > 1}
    most = path.stat().st_size // PLANE_BYTES
    for axis, (_, size) in outer.items():
        if size > most:
            raise ValueError(f"it states {size} planes along {axis}, which its {path.stat().st_size} bytes cannot hold")
    kinds = {reader.get_channel_pixel_type(channel) for channel in range(*_ends(whole.get("C", (0, 1))))}
    if len(kinds) > 1 or not kinds <= set(TYPES):
        raise UsageError(
            f"{path} has channels of the kinds {', '.join(sorted(kinds))}, which are not supported; split them in ZEN."
        )
    kind = kinds.pop()
    color = kind.startswith("Bgr")
    x, y, width, height = area or (whole["X"][0], whole["Y"][0], whole["X"][1], whole["Y"][1])
    firsts = {axis: whole[axis][0] for axis in "TZC" if axis in whole}

    def load(place: tuple[int, ...]) -> Pixels:
        plane = dict(firsts)
        plane |= {axis: outer[axis][0] + index for axis, index in zip(outer, place, strict=True)}
        blocks.check(plane)
        pixels = np.asarray(reader.read(roi=(x, y, width, height), plane=plane, scene=number))
        return np.ascontiguousarray(pixels[..., ::-1] if color else pixels[..., 0])

    sizes = tuple(size for _, size in outer.values())
    letters = "".join(outer) + "YX" + "S" * color
    return Scene(
        path.stem if number is None else f"{path.stem}, scene {number}",
        letters,
        (*sizes, height, width, *((3,) if color else ())),
        np.dtype(TYPES[kind]),
        load,
        {axis: step for axis, step in steps.items() if axis in letters},
        tuple(names[: whole["C"][1]]) if "C" in outer and len(names) >= whole["C"][1] else (),
    )


def _ends(part: tuple[int, int]) -> tuple[int, int]:
    return part[0], part[0] + part[1]


def _described(xml: str) -> tuple[dict[str, float], list[str]]:
    """Sizes of pixels in micrometers (the file has meters), seconds between frames, and names of channels."""
    root = ElementTree.fromstring(xml)
    steps = {}
    for item in root.iterfind(".//Scaling/Items/Distance"):
        axis, value = item.get("Id", ""), float(item.findtext("Value") or 0)
        if axis in ("X", "Y", "Z") and value > 0 and math.isfinite(value):
            steps[axis] = value * MICROMETERS
    increment = root.findtext(".//Dimensions/T/Positions/Interval/Increment")
    if increment and float(increment) > 0:
        steps["T"] = float(increment)
    names = [channel.get("Name") or "" for channel in root.iterfind(".//Dimensions/Channels/Channel")]
    return steps, names if all(names) else []
