"""Memory that is kept for the next step goes back after the last."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from unnoise.training.heap import memory_kept

FAULTS = """
import resource
import torch
from unnoise.training.heap import memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(2**28, dtype=torch.uint8).fill_(1)  # many pages, whatever their size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with memory_kept():
    inside = sorted(faults() for _ in range(7))
after = faults()
try:
    with memory_kept():
        raise ValueError
except ValueError:
    print(inside[-1], after, faults())
"""
"""Pages that the system had to give for one large piece: the most of seven within, one after, one after an error."""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc alone has this switch")
def test_afterwards_freed_memory_goes_back() -> None:
    # That it is used again within shows in the time of steps (`benchmarks/speed.py train`); one piece by itself may just not fit.
    answer = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True).stdout
    most, after, after_error = map(int, answer.split())
    assert after > most / 4
    assert after_error > most / 4


def test_nothing_happens_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory_kept():
        pass
