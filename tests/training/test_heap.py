"""Memory that a step frees is there for the next one, and goes back after the last."""

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
    inside = faults(), faults()
after = faults()
try:
    with memory_kept():
        raise ValueError
except ValueError:
    print(*inside, after, faults())
"""
"""Pages that the system had to give for one large piece: twice within, once after, once after an error."""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc alone has this switch")
def test_freed_memory_is_used_again() -> None:
    # A process of its own: among the pieces that other tests have left the second one may not fit where the first was.
    answer = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True).stdout
    first, second, after, after_error = map(int, answer.split())
    assert second < first / 4
    assert after > first / 4
    assert after_error > first / 4


def test_nothing_happens_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory_kept():
        pass
