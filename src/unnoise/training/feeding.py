"""Random crops in batches. Each crop depends only on the seed, on the batch's number and on its place in it. So a
resumed run gets the same ones, and so does any number of processes."""

from __future__ import annotations

import pickle

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unnoise.images.pixels import to_unit_float
from unnoise.recipes.schema import Training
from unnoise.training.image_pool import ImagePool, Pixels


class CropBatches(Dataset[Tensor]):
    """The batches of a run, by number. A batch is (B, C, crop, crop), float32 in 0..1, with random flips and quarter
    turns as in the recipe.

    Crops are flipped left to right. Without turns, they are also flipped top to bottom.

    Args:
        pool: the pictures.
        training: the recipe's crop, batch, flips and turns.
        seed: of all random numbers.
        process, processes: index and number of the processes that share a batch.

    >>> from unnoise.training.image_pool import from_arrays
    >>> pool = from_arrays([np.zeros((32, 32), np.uint8)], channels=3)
    >>> CropBatches(pool, Training(crop=16, batch=4), seed=0)[7].shape
    torch.Size([4, 3, 16, 16])
    """

    def __init__(self, pool: ImagePool, training: Training, seed: int, *, process: int = 0, processes: int = 1) -> None:
        self.pool = pool
        self.training = training
        self.seed = seed
        count = max(1, training.batch // processes)
        self.places = range(process * count, (process + 1) * count)
        """In the batch of all processes, of the crops that this one draws."""

    def __getitem__(self, number: int) -> Tensor:
        # Each crop has its own generator, so the batch is the same whatever the number of processes.
        draws = (np.random.default_rng([self.seed, number, place]) for place in self.places)
        try:
            crops = np.stack([self._crop(draw) for draw in draws])  # (B, crop, crop, C)
        except Exception as error:
            if _can_be_sent(error):
                raise
            raise RuntimeError(f"A batch could not be drawn: {type(error).__name__}: {error}") from error
        return torch.from_numpy(crops).permute(0, 3, 1, 2)  # (B, C, crop, crop), channels last in memory

    def _crop(self, draw: np.random.Generator) -> Pixels:
        piece = self.pool.crop(draw, self.training.crop)
        if self.training.flips and draw.random() < 0.5:
            piece = piece[:, ::-1]
        if self.training.turns:
            piece = np.rot90(piece, int(draw.integers(4)))
        elif self.training.flips and draw.random() < 0.5:
            piece = piece[::-1]
        return to_unit_float(piece)


def _can_be_sent(error: Exception) -> bool:
    """Whether the error can be pickled. Otherwise the training process would wait forever for the worker that
    failed."""
    try:
        pickle.dumps(type(error))
    except Exception:
        return False
    return True


def data_loader(batches: CropBatches, first: int, last: int, workers: int) -> DataLoader[Tensor]:
    """Load batches number `first` to `last` − 1 in order, drawn ahead by `workers` processes. 0: drawn in this
    process."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
