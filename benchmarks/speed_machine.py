"""Clocks, peak memory, the limits of the machine, and the work that a network has."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from unnoise.inference.precision import has_fast_int8
from unnoise.layers.quantized.byte_maps import convolve_bytes
from unnoise.layers.weight_cache import cached_weights

SIDE = 256
"""Of the picture on which work is counted, in pixels."""


def seconds(work: Callable[[], Any], device: str, clock: str) -> float:
    """Time of one run: on the wall, or of this process on all cores (`cpu`), which other work on the machine disturbs
    less."""
    read = time.process_time if clock == "cpu" else time.perf_counter
    _wait(device)
    start = read()
    work()
    _wait(device)
    return read() - start


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def peak_memory(device: str) -> int:
    """Most bytes that this process has held: on the GPU, or resident."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss begins with what the process had that started this one
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@torch.inference_mode()
def ceilings(device: str, clock: str) -> dict[str, float]:
    """Multiplications with addition a second, by matmul and by a 3×3 convolution of 128 channels, and bytes copied a
    second."""
    results = {}
    side = 2048 if device == "cpu" else 8192
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        results[f"matmul {name}"] = side**3 / _best(lambda a=a, b=b: a @ b, device, clock)
        large = 128 if device == "cpu" else 1024  # a GPU is not filled by less
        x = torch.randn(1, 128, large, large, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
        w = torch.randn(128, 128, 3, 3, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
        macs = 9 * 128**2 * large**2
        results[f"convolution {name}"] = macs / _best(lambda x=x, w=w: F.conv2d(x, w, padding=1), device, clock)
    if has_fast_int8(torch.device(device)):
        results["convolution int8"] = _counted_convolution(clock)
    source = torch.ones(2**26, device=device)  # 256 MiB
    target = torch.empty_like(source)
    results["copy"] = 2 * source.nbytes / _best(lambda: target.copy_(source), device, clock)
    return results


def _counted_convolution(clock: str) -> float:
    """The same convolution of bytes to bytes."""
    x = torch.randint(0, 256, (1, 128, 128, 128), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(128, 128, 3, padding=1)
    whole, steps = torch.randint(-127, 128, layer.weight.shape).float(), torch.ones(128, 1, 1, 1)
    with cached_weights():
        return 9 * 128**4 / _best(lambda: convolve_bytes(layer, 0.1, lambda: (whole, steps), x, steps.flatten()), "cpu", clock)


def _best(work: Callable[[], Any], device: str, clock: str) -> float:
    return min(seconds(work, device, clock) for _ in range(6))


class Counter(TorchDispatchMode):
    """Counts multiplications with addition, and the values that products read and write: the least that must move.

    Attributes:
        macs, values: the counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs, self.values = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.macs += count(*args, **(kwargs or {}), out_val=result) // 2
            self.values += sum(part.numel() for part in (*args, result) if isinstance(part, Tensor))
        return result


def work(restore: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Multiplications and values for each pixel of a picture, counted without computing anything (on torch's fake
    tensors)."""
    with FakeTensorMode(allow_non_fake_inputs=True), Counter() as counter:
        restore(torch.empty(1, 3, SIDE, SIDE))
    return counter.macs / SIDE**2, counter.values / SIDE**2
