"""How fast models restore a small picture here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from unnoise.models import shipped
from unnoise.photometry.array_threads import thread_count

if TYPE_CHECKING:
    from unnoise.models.model import Model

SIDE = 512
"""Of the picture that is timed, in pixels. In smaller ones the measuring of their noise takes most of the time."""
RUNS = 2
"""Timed runs after one that warms up. The fastest counts, since the others were disturbed more."""
MEGAPIXEL = 1e6


class DeviceFacts(BaseModel):
    """A device that torch can use.

    >>> DeviceFacts(name="cpu", label="a processor", bfloat16=False, int8=False).name
    'cpu'
    """

    name: str
    """As `--device` takes it."""
    label: str
    bfloat16: bool
    """Whether it multiplies bfloat16 natively."""
    int8: bool
    """Whether it multiplies bytes natively."""


class Speed(BaseModel):
    """The speed of one model on the device that is chosen by itself.

    >>> Speed(model="fast", device="cpu", precision="float32", seconds_per_megapixel=0.5, threads=1).precision
    'float32'
    """

    model: str
    device: str
    precision: str
    seconds_per_megapixel: float
    threads: int
    """Threads that the engine computes with on a CPU."""
    processor_share: float = 1.0
    """Processor time of this process, by the time on the wall. On a CPU, less than 1 means that other programs ran."""


def find_devices() -> list[DeviceFacts]:
    """The devices that torch can use, the best one first.

    >>> find_devices()[-1].name
    'cpu'
    """
    import torch

    from unnoise.inference.precision import has_fast_bfloat16, has_fast_int8

    gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    found = [(f"cuda:{index}", torch.cuda.get_device_name(index)) for index in gpus]
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU"))
    found.append(("cpu", torch.backends.cpu.get_cpu_capability()))  # such as AVX512
    return [
        DeviceFacts(
            name=name,
            label=label,
            bfloat16=has_fast_bfloat16(torch.device(name)),
            int8=has_fast_int8(torch.device(name)),
        )
        for name, label in found
    ]


def measure_speed(model: str, *, side: int = SIDE, device: str | None = None) -> Speed:
    """Time a model on a picture of noise.

    Args:
        model: a name or file, as `unnoise.load` takes it.
        side: of the picture, in pixels.
        device: None: the best one.

    Raises:
        UsageError: there is no such model or device.

    >>> measure_speed("fast", side=64).seconds_per_megapixel > 0
    True
    """
    loaded = shipped.load(model)
    place = _torch_place(loaded, device) if loaded.engine == "torch" else _graph_place(loaded, device)
    where, precision, threads = place
    loaded.to(where)
    noisy = np.random.default_rng(0).normal(120, 20, (side, side, 3)).clip(0, 255).astype(np.uint8)
    loaded.denoise(noisy)
    timed = []
    for _ in range(RUNS):
        begun, processor = time.perf_counter(), time.process_time()
        loaded.denoise(noisy)
        wall = time.perf_counter() - begun
        timed.append((wall, (time.process_time() - processor) / wall))
    seconds, processor_share = min(timed)
    return Speed(
        model=model,
        device=where,
        precision=precision,
        seconds_per_megapixel=seconds / (side * side / MEGAPIXEL),
        threads=threads,
        processor_share=processor_share,
    )


def _graph_place(model: Model, device: str | None) -> tuple[str, str, int]:
    """The device, precision and number of threads that another engine takes for a model."""
    return device or "cpu", model.network.chosen_precision(None), thread_count()


def _torch_place(model: Model, device: str | None) -> tuple[str, str, int]:
    """The device, precision and number of threads that torch takes for a model."""
    import torch

    from unnoise.inference.precision import choose_device, choose_precision

    where = choose_device(device)
    precision = str(choose_precision(None, where, model.network)).removeprefix("torch.")
    return str(where), precision, torch.get_num_threads()
