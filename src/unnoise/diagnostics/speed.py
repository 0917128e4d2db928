"""How fast models restore a small picture here."""

from __future__ import annotations

import time

import numpy as np
import torch
from pydantic import BaseModel

from unnoise.inference.precision import choose_device, choose_precision, has_fast_bfloat16, has_fast_int8
from unnoise.models import shipped

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
    """Threads that torch computes with on a CPU."""
    processor_share: float = 1.0
    """Processor time of this process, by the time on the wall. On a CPU, less than 1 means that other programs ran."""


def find_devices() -> list[DeviceFacts]:
    """The devices that torch can use, the best one first.

    >>> find_devices()[-1].name
    'cpu'
    """
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
    where = choose_device(device)
    loaded = shipped.load(model).to(str(where))
    noisy = np.random.default_rng(0).normal(120, 20, (side, side, 3)).clip(0, 255).astype(np.uint8)
    loaded.denoise(noisy)
    timed = []
    for _ in range(RUNS):
        begun, processor = time.perf_counter(), time.process_time()
        loaded.denoise(noisy)
        wall = time.perf_counter() - begun
        timed.append((wall, (time.process_time() - processor) / wall))
    seconds, processor_share = min(timed)
    precision = choose_precision(None, where, loaded.network)
    return Speed(
        model=model,
        device=str(where),
        precision=str(precision).removeprefix("torch."),
        seconds_per_megapixel=seconds / (side * side / MEGAPIXEL),
        threads=torch.get_num_threads(),
        processor_share=processor_share,
    )
