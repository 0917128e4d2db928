"""The device of a run: its accelerator, its name, and its fastest kernels."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from unnoise.registry import require


def check_libraries() -> None:
    """Raise `UnnoiseError` if a library is missing that only training needs."""
    for library in ("accelerate", "tensorboard"):
        require(library, "Training")


def is_main_process() -> bool:
    """Whether this is the first process of a run, or the only one. torchrun and accelerate tell by a variable.

    >>> is_main_process()
    True
    """
    return os.environ.get("RANK", "0") == "0"


def make_accelerator(device: torch.device, precision: torch.dtype) -> Any:
    """The `Accelerator` of the library accelerate: gradients across processes, and the precision of the steps."""
    from accelerate.accelerator import Accelerator
    from accelerate.state import AcceleratorState

    # Its state is global: without this, every later run in the process would have the first run's precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "no"}
    return Accelerator(cpu=device.type == "cpu", mixed_precision=names[precision])


def describe_hardware(device: torch.device) -> str:
    """The name of the device, for the model's card.

    >>> len(describe_hardware(torch.device("cpu"))) > 0
    True
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()} CPU, {torch.get_num_threads()} threads"


@contextmanager
def cudnn_autotuning() -> Iterator[None]:
    """Let cuDNN time its kernels for each size once and use the fastest. This pays because all crops have one size."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
