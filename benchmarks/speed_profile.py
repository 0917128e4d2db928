"""Processor time of each operation and shape of a method. Other work on the machine disturbs it little."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from speed_methods import run
from speed_table import SIZES

SHOWN = 18
"""Lines for each method."""


class Clock(TorchDispatchMode):
    """Adds up the processor seconds within each operation of torch.

    Attributes:
        seconds, calls: by the operation's name and its tensors' shapes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.process_time()
        result = func(*args, **(kwargs or {}))
        taken = time.process_time() - start
        shapes = " ".join("×".join(map(str, part.shape)) for part in args if isinstance(part, Tensor) and part.dim())
        key = str(func.overloadpacket), shapes
        self.seconds[key] += taken
        self.calls[key] += 1
        return result


def profile(options: argparse.Namespace) -> None:
    """The operations that take most of each method's fast form, on one picture, after one run to warm up."""
    for method in options.methods:
        restore = run(method, options.form, options.device)
        for size in options.sizes:
            noisy = torch.rand(1, 3, SIZES[size], SIZES[size], generator=torch.Generator().manual_seed(0)).to(options.device)
            restore(noisy)
            with Clock() as clock:
                restore(noisy)
            print(f"{method}, {size}, {options.form}: {clock.seconds.total():.3f} s of processor time in operations")
            _print_shares(clock, clock.seconds.total())


def _print_shares(clock: Clock, whole: float) -> None:
    by_name: Counter[str] = Counter()
    for (name, _), taken in clock.seconds.items():
        by_name[name] += taken
    for name, taken in by_name.most_common(8):
        print(f"  {taken / whole:6.1%}  {taken * 1e3:9.2f} ms  {name}")
    print("  by shape:")
    for key, taken in clock.seconds.most_common(SHOWN):
        print(f"  {taken / whole:6.1%}  {taken * 1e3:9.2f} ms  {clock.calls[key]:4} of {key[0]}  {key[1]}", flush=True)
