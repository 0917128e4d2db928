"""Zarr arrays and OME-Zarr groups, as pictures or stacks of pictures (extra `zarr`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.registry import require

OME_XML = "OME/METADATA.ome.xml"


@dataclass(frozen=True)
class Coding:
    """The encoding of a Zarr store, so that a like one can be made."""

    array: Any
    """The one that was read."""
    place: str
    """Of the array in its group; '': it is by itself."""
    group: dict[str, Any]
    """What the group says."""
    letters: str | None
    """What it says its axes are."""
    ome_xml: bytes = b""
    """What OME/METADATA.ome.xml in it says, as Bio-Formats writes it; empty: there is none."""


def open_array(path: Path) -> Coding:
    """Open the array of a Zarr store. In an OME-Zarr it is the one of full size. Errors of zarr pass through.

    Raises:
        ValueError: the store holds no array.
    """
    zarr: Any = require("zarr", "Zarr")
    found = zarr.open(path, mode="r")
    if isinstance(found, zarr.Array):
        names = getattr(found.metadata, "dimension_names", None)
        plain = all(name and len(name) == 1 for name in names or [])
        return Coding(found, "", {}, "".join(names) if names and plain else None)
    said = dict(found.attrs)
    scales = (said.get("ome") or said).get("multiscales")
    if not scales:
        raise ValueError("it is a group without an OME-Zarr picture; name one of its arrays")
    axes = [axis if isinstance(axis, str) else axis["name"] for axis in scales[0].get("axes", [])]
    letters = "".join(axes) if all(len(name) == 1 for name in axes) else ""
    place = str(scales[0]["datasets"][0]["path"])
    words = path / OME_XML
    array = found[place]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"its picture '{place}' is a group, not an array")
    return Coding(array, place, said, letters or None, words.read_bytes() if words.is_file() else b"")


def create_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], like: Coding | None, ngff: dict[str, Any] | None = None
) -> Any:
    """Create an empty array with the chunks and compression of another.

    The group is like that of the other, with one scale, or says what `ngff` says. After an error, or `give_up`, nothing
    more is written to `path`.
    """
    zarr: Any = require("zarr", "Zarr")
    from unnoise.images.zarr_store import ClosableStore

    store = ClosableStore(path)
    try:
        return _create(zarr, store, path, shape, dtype, like, ngff)
    except BaseException:
        store.shut()
        raise


def give_up(array: Any) -> None:
    """Stop all writing to an array of `create_array`."""
    array.store.shut()


def _create(
    zarr: Any,
    store: Any,
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    like: Coding | None,
    ngff: dict[str, Any] | None,
) -> Any:
    plain = {"shape": shape, "dtype": dtype, "chunks": (1,) * (len(shape) - 2) + tuple(min(n, 512) for n in shape[-2:])}
    if ngff is not None:
        zarr.open_group(store, mode="w", zarr_format=3, attributes=ngff)
        names = [axis["name"] for axis in ngff["ome"]["multiscales"][0]["axes"]]
        return zarr.create_array(store, name="0", dimension_names=names, **plain)
    if like is None:
        return zarr.create_array(store, **plain)
    old = like.array
    options: dict[str, Any] = {"zarr_format": old.metadata.zarr_format, "attributes": dict(old.attrs)}
    if shape == old.shape:
        options |= {"chunks": old.chunks, "shards": old.shards, "compressors": old.compressors, "filters": old.filters}
        if old.metadata.zarr_format == 3:
            options |= {"dimension_names": old.metadata.dimension_names, "chunk_key_encoding": old.metadata.chunk_key_encoding}
        else:
            options["chunk_key_encoding"] = {"name": "v2", "separator": old.metadata.dimension_separator}
    if not like.place:
        return zarr.create_array(store, shape=shape, dtype=dtype, **options)
    version = old.metadata.zarr_format
    zarr.open_group(store, mode="w", zarr_format=version, attributes=_of_one_scale(like.group))
    if like.ome_xml:
        zarr.create_group(store, path="OME", zarr_format=version)
        (path / OME_XML).write_bytes(like.ome_xml)
    return zarr.create_array(store, name=like.place, shape=shape, dtype=dtype, **options)


def _of_one_scale(said: dict[str, Any]) -> dict[str, Any]:
    """What a group says without the smaller versions of the picture, which are not written."""
    if "ome" in said:
        return said | {"ome": _of_one_scale(said["ome"])}
    scales = said["multiscales"]
    return said | {"multiscales": [scales[0] | {"datasets": scales[0]["datasets"][:1]}]}
