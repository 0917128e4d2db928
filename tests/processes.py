"""What tests run in processes of their own, which find it by this module's name."""

from __future__ import annotations

import os
import signal
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from unnoise.batch.jobs import Job
from unnoise.batch.progress import OnTile
from unnoise.errors import UnnoiseWarning
from unnoise.files.atomic import atomic_write
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution


def range_of_a_process(rank: int, folder: str) -> None:
    """One of two processes: what its own first batch and the other's make of a layer's range goes to `<rank>.pt`."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(0)
    layer = QuantizedConvolution(3, 8)
    torch.manual_seed(rank)
    layer(torch.rand(2, 3, 12, 16))
    torch.save(layer.scales(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@dataclass
class CopyTask:
    """A job of a worker pool that copies its source. The source's text says what goes wrong: 'crash', 'crash once',
    'bad', 'memory once', 'warn', 'slow', 'taken'."""

    trace: Path
    """A folder where each attempt leaves a mark."""

    def __call__(self, job: Job, replace: bool, on_tile: OnTile) -> int:
        text = job.source.read_text()
        attempt = len(list(self.trace.glob(f"{job.source.stem}-*")))
        (self.trace / f"{job.source.stem}-{attempt}").write_text(str(os.getpid()))
        with atomic_write(job.target) as temporary:
            temporary.write_text(text)
            on_tile(1, 2)
            if text == "crash" or (text == "crash once" and attempt == 0):
                os.kill(os.getpid(), signal.SIGKILL)
            if text == "bad":
                raise ZeroDivisionError("float division by zero")
            if text == "memory once" and attempt == 0:
                raise MemoryError
            if text == "warn":
                warnings.warn("The picture is odd.", UnnoiseWarning, stacklevel=1)
            if text == "slow":
                time.sleep(60)
            if text == "taken":
                job.target.write_text("somebody else's")
        if text == "crash after":
            os.kill(os.getpid(), signal.SIGKILL)
        return len(text)
