"""One batch that several processes share: its parts, their random numbers, and what the processes must agree on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unnoise.errors import UnnoiseError, UsageError


class ShardGenerator(torch.Generator):
    """The random numbers of one part of a batch: its part of those that the whole batch would draw.

    `rng.uniform` and `rng.integers` know it. Other calls draw the same numbers for each part.

    >>> from unnoise.rng import uniform
    >>> whole, second = ShardGenerator.of([3], 0, 1), ShardGenerator.of([3], 1, 2)
    >>> bool((uniform((4, 1, 2, 2), whole)[2:] == uniform((2, 1, 2, 2), second)).all())
    True
    """

    shard: tuple[int, int] = (0, 1)
    """(index, number of parts)."""

    @classmethod
    def of(cls, seed: list[int], index: int, count: int) -> ShardGenerator:
        """The generator of a part, by the numbers that make the seed."""
        generator = cls()
        generator.shard = index, count
        mixed = np.random.SeedSequence(seed).generate_state(1, np.uint64)
        generator.manual_seed(int(mixed[0] >> 1))
        return generator


@dataclass(frozen=True)
class Shards:
    """The parts of a batch: `processes` of them, and in each of these `accumulate`.

    >>> Shards(4, process=1, processes=2, accumulate=2, device=torch.device("cpu")).parts
    [2, 3]
    """

    batch: int
    process: int
    processes: int
    accumulate: int
    device: torch.device

    def __post_init__(self) -> None:
        if self.batch % (self.processes * self.accumulate):
            times = f" in {self.accumulate} parts each" if self.accumulate > 1 else ""
            raise UsageError(
                f"A batch of {self.batch} cannot be shared by {self.processes} processes{times}; set training.batch to a multiple "
                f"of {self.processes * self.accumulate}."
            )

    @property
    def count(self) -> int:
        """The number of all parts."""
        return self.processes * self.accumulate

    @property
    def parts(self) -> list[int]:
        """The numbers of this process's parts."""
        return list(range(self.process * self.accumulate, (self.process + 1) * self.accumulate))

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """The first process's time of training, and whether any process was told to stop.

        Every process calls this at the same step. Else one would stop or end while the others wait for it forever.
        """
        if self.processes == 1:
            return seconds, stop
        told = torch.tensor([seconds if self.process == 0 else 0.0, float(stop)], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        return float(told[0]), bool(told[1])

    def mean(self, values: Tensor) -> Tensor:
        """The mean of each value over all processes. Every process calls this at the same step."""
        if self.processes == 1:
            return values
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total / self.processes


class LostProcessError(UnnoiseError):
    """Another process of the training has ended.

    >>> issubclass(LostProcessError, UnnoiseError)
    True
    """


@contextmanager
def lost_process() -> Iterator[None]:
    """Turn the errors by which torch tells of a lost connection into one sentence.

    >>> with lost_process():
    ...     raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1")
    Traceback (most recent call last):
    unnoise.training.shards.LostProcessError: Process 0 of this training has lost another one; ...
    """
    try:
        yield
    except RuntimeError as error:
        words = "gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "TCPStore"
        if not isinstance(error, torch.distributed.DistError) and not any(word in str(error) for word in words):
            raise
        raise LostProcessError(
            f"Process {os.environ.get('RANK', '0')} of this training has lost another one; see what ended that one, and give the "
            "same command again with --resume."
        ) from error
