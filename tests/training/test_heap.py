"""Memory that a step frees is there for the next one, and goes back after the last."""

from __future__ import annotations

import ctypes
import resource
import sys

import pytest
import torch

from unnoise.training.heap import memory_kept

LARGE = 2**28
"""Bytes that are many pages, whatever their size."""


def _faults() -> int:
    """Pages that the system had to give for one large piece."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(LARGE, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc alone has this switch")
def test_freed_memory_is_used_again() -> None:
    with memory_kept():
        first = _faults()
        assert _faults() < first / 4
    assert _faults() > first / 4
    with pytest.raises(ValueError, match="as it was"), memory_kept():
        raise ValueError("as it was")
    assert _faults() > first / 4


def test_nothing_happens_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory_kept():
        pass
