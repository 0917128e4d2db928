"""OpenEXR (extra `exr`): each channel of each part and layer is a picture of linear light, in half or float.

Transparency, depth and whole numbers stay as they are. Attributes of the header stay, and the comments say what was
done. Channels come back in the compression that they had, or in ZIP where that one loses something.
"""

from __future__ import annotations

import contextlib
import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.science.base import Copy, ScienceFile, Volume, history
from unnoise.registry import require

KEPT = ("A", "AR", "AG", "AB", "Z", "ZBack")
"""Channels, of any layer, that are no light."""

LOSSLESS = ("NO_COMPRESSION", "RLE_COMPRESSION", "ZIPS_COMPRESSION", "ZIP_COMPRESSION", "PIZ_COMPRESSION")


def open_file(path: Path, letters: str | None) -> ExrFile:
    """UsageError: it has no light in it. UnnoiseError: it is damaged, or OpenEXR is missing."""
    require("OpenEXR", "OpenEXR")
    openexr: Any = import_module("OpenEXR")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what is wrong with a part, and goes on without it
            file = openexr.File(str(path), separate_channels=True)
        parts = [openexr.Part(dict(part.header), _arrays(part), part.name()) for part in file.parts]
        if not parts:
            raise ValueError("its pixels cannot be read")
        if any("deep" in str(part.header.get("type")) for part in parts):
            raise UsageError(f"{path} is a deep image, which is not supported; flatten it first.")
        found = ExrFile(path, parts, letters)
    except UnnoiseError:
        raise
    except Exception as error:  # RuntimeError, ValueError and others
        raise damaged(path, error) from error
    if not found.volumes:
        raise UsageError(f"{path} has no channel of light, only transparency, depth or whole numbers; give another.")
    return found


def _arrays(part: Any) -> dict[str, Any]:
    return {name: np.ascontiguousarray(channel.pixels) for name, channel in part.channels.items()}


def _is_light(name: str, pixels: Any) -> bool:
    return name.rpartition(".")[2] not in KEPT and pixels.dtype.kind == "f"


class ExrFile(ScienceFile):
    """An open OpenEXR file; each channel of light is a volume of one picture."""

    kind = "OpenEXR"

    def __init__(self, path: Path, parts: list[Any], letters: str | None) -> None:
        self.path, self.parts, self.letters = path, parts, letters
        super().__init__(path, self.volumes_of([{n: c.pixels for n, c in part.channels.items()} for part in parts]))

    def volumes_of(self, arrays: list[dict[str, Any]]) -> list[Volume]:
        """The channels of light of all parts."""
        return [
            Volume.of(pixels, self.letters, f"{self.path}, channel {name}")
            for part in arrays
            for name, pixels in part.items()
            if _is_light(name, pixels)
        ]

    def copy(self, target: Path) -> ExrCopy:
        return ExrCopy(self, target)


class ExrCopy(Copy):
    """A copy of an OpenEXR file, which is written when all channels are there."""

    def __init__(self, source: ExrFile, target: Path) -> None:
        self._source, self._target = source, target
        self._arrays = [{name: channel.pixels.copy() for name, channel in part.channels.items()} for part in source.parts]
        super().__init__(target, source.volumes_of(self._arrays))

    def finish(self) -> None:
        openexr: Any = import_module("OpenEXR")
        parts = []
        for part, arrays in zip(self._source.parts, self._arrays, strict=True):
            header = {key: value for key, value in part.header.items() if key not in ("channels", "chunkCount")}
            if header.get("compression") is not None and header["compression"].name not in LOSSLESS:
                header["compression"] = openexr.ZIP_COMPRESSION
            said = str(header.get("comments") or "")
            header["comments"] = f"{said}\n{history()}" if said else history()
            channels = {
                name: openexr.Channel(pixels, part.channels[name].xSampling, part.channels[name].ySampling)
                for name, pixels in arrays.items()
            }
            parts.append(openexr.Part(header, channels, part.name()))
        try:
            openexr.File(parts).write(str(self._target))
        except Exception as error:
            raise UnnoiseError(f"{self._source.path} cannot be written again ({error}); write .tif or .npy instead.") from error
