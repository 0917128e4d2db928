"""Cutting a data set into a store of crops for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation.datasets.base import DataSet, Entry, Pair, read_pair
from unnoise.training.crop_store import CropStore, CropWriter, Header

Pixels = NDArray[Any]
CROP_PIXELS = 256


@dataclass(frozen=True)
class Prepared:
    """What lies in a store now.

    >>> Prepared(crops=12, pictures=3, kept=1, skipped=()).crops
    12
    """

    crops: int
    pictures: int
    """Pictures of the set that have crops in the store."""
    kept: int
    """Of these, those that an earlier call had cut."""
    skipped: tuple[str, ...]
    """A sentence for each picture that is not in the store."""


def prepare(
    data: DataSet,
    folder: Path,
    *,
    crop: int = CROP_PIXELS,
    step: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Cut the pictures of a data set into crops on disk. Called again after an interruption, it goes on.

    Args:
        data: from `unnoise.evaluation.datasets.open_set`. Where every picture has a clean one, that is cut alike.
        folder: of the store.
        crop: side of the crops in pixels.
        step: distance of neighbouring crops; None: `crop`. The last ones of a row and column end at the picture's edge.
        progress: called with (pictures done, pictures in all).

    Returns:
        What is in the store, and which pictures are not: those that are smaller than a crop, cannot be read, or differ
        from the first one in type or channels.

    Raises:
        UsageError: a bad size, or a folder that holds something else.
        UnnoiseError: no picture can be cut, or the store cannot be written.

    >>> import tempfile
    >>> import numpy as np
    >>> from unnoise.evaluation.datasets import open_set
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.zeros((20, 33), np.uint8))
    ...     prepare(open_set(f"folder:{folder}"), Path(folder) / "store", crop=16).crops
    6
    """
    step = crop if step is None else step
    if crop < 8 or step < 1:
        raise UsageError(f"Crops have at least 8 pixels a side and lie at least one apart, not {crop} and {step}.")
    skipped: list[str] = []
    writer: CropWriter | None = None
    kept = 0
    try:
        for number, entry in enumerate(data.entries, start=1):
            if writer is not None and entry.name in writer.done:
                kept += 1
            else:
                pair = _read(entry, crop, skipped)
                if pair is not None:
                    writer = writer or CropWriter(folder, _header(pair, data, crop, step))
                    if entry.name in writer.done:  # the first one, which told what the crops are
                        kept += 1
                    elif (problem := _unlike(pair, writer.header)) is not None:
                        skipped.append(problem)
                    else:
                        _add(writer, pair, crop, step)
            if progress:
                progress(number, len(data))
        if writer is None:
            raise UnnoiseError(f"No picture of {data.name} can be cut: {skipped[0] if skipped else 'there is none.'}")
        writer.finish()
    finally:
        if writer is not None:
            writer.__exit__()
    crops = len(CropStore(folder).noisy)
    return Prepared(crops, len(data) - len(skipped), kept, tuple(skipped))


def corners(length: int, crop: int, step: int) -> list[int]:
    """Where crops begin along a side. The last one ends at the edge.

    >>> corners(20, 8, 8), corners(8, 8, 8)
    ([0, 8, 12], [0])
    """
    starts = list(range(0, length - crop + 1, step))
    return starts if starts[-1] == length - crop else [*starts, length - crop]


def _read(entry: Entry, crop: int, skipped: list[str]) -> Pair | None:
    try:
        pair = read_pair(entry)
    except UnnoiseError as error:
        skipped.append(str(error))
        return None
    if min(pair.noisy.shape[:2]) < crop:
        height, width = pair.noisy.shape[:2]
        skipped.append(f"The picture {pair.name} has {height}×{width} pixels, less than a crop of {crop}.")
        return None
    return pair


def _header(pair: Pair, data: DataSet, crop: int, step: int) -> Header:
    channels = 1 if pair.noisy.ndim == 2 else pair.noisy.shape[2]
    return Header(
        data=data.name, crop=crop, step=step, channels=channels, dtype=pair.noisy.dtype.name, has_clean=data.has_truth
    )


def _unlike(pair: Pair, header: Header) -> str | None:
    channels = 1 if pair.noisy.ndim == 2 else pair.noisy.shape[2]
    for pixels in (pair.noisy, pair.clean):
        if pixels is not None and (pixels.dtype.name, channels) != (header.dtype, header.channels):
            return (
                f"The picture {pair.name} has {channels} channels of {pixels.dtype}, and the store {header.channels} of "
                f"{header.dtype}."
            )
    return None


def _add(writer: CropWriter, pair: Pair, crop: int, step: int) -> None:
    noisy = list(_crops(pair.noisy, crop, step))
    clean = list(_crops(pair.clean, crop, step)) if writer.header.has_clean and pair.clean is not None else None
    writer.add(pair.name, noisy, clean)


def _crops(pixels: Pixels, crop: int, step: int) -> Iterator[Pixels]:
    """(H, W) or (H, W, C) → (crop, crop, C) each."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width = pixels.shape[:2]
    for top in corners(height, crop, step):
        for left in corners(width, crop, step):
            yield pixels[top : top + crop, left : left + crop]
