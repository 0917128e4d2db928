"""Crops that bring the same place of a second picture of the scene along: the clean one, or another exposure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.attempts import working_on
from unnoise.images.frames import open_stack
from unnoise.images.pixels import to_unit_float
from unnoise.training.image_pool import MEMORY_BYTES, ImagePool, KeptPictures, NoRoomError, Pixels
from unnoise.training.pool_pictures import pool_pictures

Picture = Path | Pixels
"""A file or an array."""


class PairedPool(ImagePool):
    """A pool whose crops are (side, side, 2·C) float32 in 0..1: the noisy channels, then those of the second picture.

    Args:
        pool: of the noisy pictures.
        targets: of the second pictures, in the same order and of the same shapes.

    Raises:
        UsageError: the pictures of a pair differ in size or channels, or their numbers differ.

    >>> noisy, clean = (ImagePool([np.full((20, 30, 3), value, np.uint8)]) for value in (90, 100))
    >>> PairedPool(noisy, clean).crop(np.random.default_rng(0), 16).shape
    (16, 16, 6)
    """

    def __init__(self, pool: ImagePool, targets: ImagePool) -> None:
        if len(pool.pictures) != len(targets.pictures):
            raise UsageError(
                f"There are {len(pool.pictures):,} noisy pictures and {len(targets.pictures):,} targets; give one target for each."
            )
        for noisy, target in zip(pool.pictures, targets.pictures, strict=True):
            if noisy.shape != target.shape:
                raise UsageError(f"A noisy picture is {noisy.shape} and its target {target.shape}; the shapes must agree.")
        super().__init__(pool.pictures, pool.skipped, pool.series, pool.fingerprint)
        self.targets = targets
        self.fingerprint = hashlib.sha256(f"{pool.fingerprint} {targets.fingerprint}".encode()).hexdigest()[:16]

    def piece(self, index: int, rows: slice, columns: slice) -> Pixels:
        parts = super().piece(index, rows, columns), self.targets.piece(index, rows, columns)
        return np.concatenate([to_unit_float(part) for part in parts], axis=2)


def from_pairs(
    pictures: Sequence[Picture],
    targets: Sequence[Picture],
    channels: int,
    *,
    axes: str | None = None,
    memory: int = MEMORY_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ImagePool, ImagePool]:
    """Decode pairs of files or arrays, frame by frame, into a pool of the noisy pictures and one of their targets.

    Args:
        pictures: files and stacks, or arrays, as `image_pool.from_files` and `from_arrays` take them.
        targets: a second one of each, in the same order.
        channels, axes, memory, progress: as for `image_pool.from_files`.

    Returns:
        Both pools. A pair of which a file cannot be read is skipped, and named in `ImagePool.skipped` of the first.

    Raises:
        UsageError: no pair can be read, or the two of a pair differ in size, frames or channels.
        NoRoomError: the temporary file cannot be written.

    >>> noisy, clean = from_pairs([np.zeros((8, 9), np.uint8)], [np.ones((8, 9), np.uint8)], 3)
    >>> clean.pictures[0].shape
    (8, 9, 3)
    """
    if len(pictures) != len(targets):
        raise UsageError(f"There are {len(pictures):,} noisy pictures and {len(targets):,} targets; give one target for each.")
    kept = KeptPictures(memory // 2), KeptPictures(memory // 2)
    skipped: list[str] = []
    for number, pair in enumerate(zip(pictures, targets, strict=True), start=1):
        names = [
            str(one) if isinstance(one, Path) else f"{what} {number}"
            for one, what in zip(pair, ("picture", "target"), strict=True)
        ]
        try:
            both = [_decoded(one, channels, axes, name) for one, name in zip(pair, names, strict=True)]
        except NoRoomError:
            raise
        except UnnoiseError as error:
            skipped.append(str(error))
            continue
        shapes = [[picture.shape for picture in some] for some in both]
        if shapes[0] != shapes[1]:
            raise UsageError(
                f"The pictures of a pair must agree in size, frames and channels, but {names[0]} is {_told(shapes[0])} and "
                f"{names[1]} is {_told(shapes[1])}; replace one of them."
            )
        for some, one, into in zip(both, pair, kept, strict=True):
            for picture in some:
                into.add(picture, is_view=isinstance(one, np.ndarray) and np.may_share_memory(picture, one))
        if progress:
            progress(number, len(pictures))
    return ImagePool(kept[0].pictures(), skipped), ImagePool(kept[1].pictures(), skipped)


def _decoded(one: Picture, channels: int, axes: str | None, name: str) -> list[Pixels]:
    if isinstance(one, Path):
        with working_on(one), open_stack(one, axes=axes) as stack:
            return list(pool_pictures(stack, channels, None))
    with open_stack(one, axes=axes, name=name) as stack:
        return list(pool_pictures(stack, channels, None))


def _told(shapes: Sequence[tuple[int, ...]]) -> str:
    first = "×".join(map(str, shapes[0])) if shapes else "empty"
    return first if len(shapes) == 1 else f"{len(shapes)} frames of {first}"
