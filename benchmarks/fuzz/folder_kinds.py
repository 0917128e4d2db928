"""Files that `fuzz.py` damages and that mean something within a folder alone: of Zarr, and of stores of crops."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

CROP_PIXELS = 8
KINDS = {
    "zarr-array": "a.zarr/zarr.json",
    "zarr-chunk": "a.zarr/c/0/0/0",
    "zarr-group": "group.zarr/zarr.json",
    "zarr-old": "old.zarr/.zarray",
    "store-header": "store/store.json",
    "store-journal": "store/pictures.jsonl",
    "store-crops": "store/noisy.crops",
}
"""Where the file of each kind belongs."""


def make(folder: Path) -> None:
    """Write one file of each kind into a folder."""
    whole = folder / "whole"
    _make_whole(whole)
    for kind, place in KINDS.items():
        if (whole / place).exists():
            shutil.copyfile(whole / place, folder / f"{kind}.part")
    shutil.rmtree(whole)


def _make_whole(folder: Path) -> None:
    """The folders, undamaged. Those of a library that is missing are left out."""
    from unnoise.training.crop_store import CropWriter, Header

    header = Header(data="a", crop=CROP_PIXELS, step=CROP_PIXELS, channels=3, dtype="uint8", has_clean=False)
    crop = np.arange(3 * CROP_PIXELS**2, dtype=np.uint8).reshape(CROP_PIXELS, CROP_PIXELS, 3)
    with CropWriter(folder / "store", header) as writer:
        writer.add("one", [crop], None)
        writer.add("two", [crop, crop], None)
        writer.finish()
    with suppress(ModuleNotFoundError):
        import zarr

        pixels = np.arange(2 * 18 * 20, dtype=np.uint16).reshape(2, 18, 20)
        zarr.create_array(str(folder / "a.zarr"), data=pixels, chunks=(1, 18, 20), dimension_names=("t", "y", "x"))
        zarr.create_array(str(folder / "old.zarr"), data=pixels, chunks=(1, 18, 20), zarr_format=2)
        axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
        scale = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
        levels = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], "version": "0.5"}
        group = zarr.create_group(str(folder / "group.zarr"), attributes={"ome": {"version": "0.5", "multiscales": [levels]}})
        group.create_array("0", data=pixels, chunks=(1, 18, 20))


def read(kind: str, path: Path) -> None:
    """Read the folder whose file of this kind is the one at `path`."""
    from unnoise import images
    from unnoise.training.crop_store import CropStore

    folder = path.parent / "folders"
    if not folder.exists():
        _make_whole(folder)
    place = folder / KINDS[kind]
    whole = place.read_bytes()
    shutil.copyfile(path, place)
    top = folder / Path(KINDS[kind]).parts[0]
    try:
        if kind.startswith("store"):
            CropStore(top).pools(3, with_clean=False)
        else:
            with images.open(top, axes="TYX" if kind == "zarr-old" else None) as source:  # the older form names no axes
                for number in range(min(len(source), 4)):
                    source[number].picture()
    finally:
        place.write_bytes(whole)
