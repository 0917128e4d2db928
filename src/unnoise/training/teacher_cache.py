"""The teachers' results on whole pictures, worked out once ahead into files, and crops that bring them along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError
from unnoise.files.atomic import atomic_write, make_folder
from unnoise.images.file_array import FileArray
from unnoise.images.pixels import to_unit_float
from unnoise.schemes.base import AuxiliaryTargets
from unnoise.training.image_pool import ImagePool, Pixels

BYTES_PER_VALUE = 2
"""Of a value: float16, which between black and white is never wrong by more than a sixteenth of an 8-bit step."""


class TaughtPool(ImagePool):
    """A pool whose crops are (side, side, (1 + K)·C) float32 in 0..1: the noisy channels, then those of each target.

    Args:
        pool: of the noisy pictures.
        files: one `.npy` for each of them, (H, W, K·C) float16.
    """

    def __init__(self, pool: ImagePool, files: Sequence[Path]) -> None:
        super().__init__(pool.pictures, pool.skipped)
        self.files = list(files)

    def piece(self, index: int, rows: slice, columns: slice) -> Pixels:
        # Opened for each crop: a process may not hold thousands of files open. Not mapped: a mapped file that another
        # program cuts short would end the process.
        try:
            targets = FileArray.of_npy(self.files[index])[rows, columns, slice(None)]
        except (OSError, ValueError, EOFError) as error:
            raise UnnoiseError(
                f"The teachers' results in {self.files[index]} are damaged or gone; give the same command again with --resume."
            ) from error
        noisy = to_unit_float(super().piece(index, rows, columns))
        return np.concatenate([noisy, targets.astype(np.float32)], axis=2)


def with_targets(
    pool: ImagePool,
    teachers: AuxiliaryTargets,
    folder: Path,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[None]],
    *,
    share: tuple[int, int] = (0, 1),
    on_message: Callable[[str], None] = lambda sentence: None,
) -> TaughtPool:
    """Run the teachers over those pictures of the pool whose targets are not in `folder` yet.

    Each picture's file appears whole or not at all, so that a run that is stopped here goes on where it was.

    Args:
        pool: of the noisy pictures.
        teachers: see `Scheme.auxiliary_targets`.
        folder: each set of teachers and pictures has a folder of its own in it.
        device: that the teachers run on.
        autocast: makes the context that they run in.
        share: (n, N): this process does every N-th picture from the n-th on. The caller waits for the others.
        on_message: told how much is to be done.

    Raises:
        UnnoiseError: when the files cannot be written.
    """
    home = folder / hashlib.sha256(f"{pool.fingerprint} {teachers.fingerprint}".encode()).hexdigest()[:16]
    make_folder(home)
    files = [home / f"{number:06d}.npy" for number in range(len(pool.pictures))]
    shapes = [(*picture.shape[:2], teachers.count * picture.shape[2]) for picture in pool.pictures]
    missing = [number for number, file in enumerate(files) if not _is_whole(file, shapes[number])]
    if damaged := [files[number] for number in missing if files[number].exists()]:
        on_message(f"{len(damaged)} results of the teachers are damaged, such as {damaged[0]}; they are computed again.")
    if missing:
        size = sum(pool.pictures[number].size for number in missing) * teachers.count * BYTES_PER_VALUE
        on_message(f"Running the teachers over {len(missing)} pictures into {home}, {size / 1e9:.1f} GB.")
    for number in missing:
        if number % share[1] == share[0]:
            targets = _targets(pool.pictures[number], teachers, device, autocast, number)
            with atomic_write(files[number]) as temporary:
                np.save(temporary, targets)
    return TaughtPool(pool, files)


def _is_whole(file: Path, shape: tuple[int, ...]) -> bool:
    """Whether a file holds targets of this shape."""
    try:
        array = FileArray.of_npy(file)
    except Exception:  # a damaged header makes numpy raise nearly every kind
        return False
    return array.shape == shape and array.dtype == np.float16


def _targets(
    picture: Pixels,
    teachers: AuxiliaryTargets,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[None]],
    seed: int,
) -> NDArray[np.float16]:
    """The targets of one picture, (H, W, C) → (H, W, K·C)."""
    height, width, channels = picture.shape
    noisy = torch.from_numpy(to_unit_float(picture)).permute(2, 0, 1)[None]  # (1, C, H, W)
    noisy = noisy.to(device).contiguous(memory_format=torch.channels_last)
    targets = np.empty((height, width, teachers.count, channels), np.float16)
    with autocast():
        for which, rows, band in teachers.bands(noisy, seed):
            targets[rows, :, which] = band.permute(2, 3, 0, 1).cpu().numpy()  # (rows, W, targets, C)
    return targets.reshape(height, width, -1)
