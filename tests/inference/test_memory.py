"""Memory: what is freed within a picture's pass is there for the next layer, and a network is measured once."""

from __future__ import annotations

import sys

import pytest
import torch

from handmade import Affine
from unnoise.inference import chain as chain_module
from unnoise.inference.chain import Chain, Settings
from unnoise.inference.memory import give_back, reused
from unnoise.schemes.distillation import Distillation

LARGE = 80 * 2**20
"""Bytes, more than glibc ever keeps by itself."""


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 (no file of ours)
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other allocators")
def test_freed_memory_stays_with_the_process_while_it_is_reused() -> None:
    def touched() -> int:
        """Resident bytes after a large tensor was filled and freed."""
        torch.ones(LARGE, dtype=torch.uint8)
        return _resident()

    give_back()
    before = touched()
    with reused():
        kept = [touched() for _ in range(8)]
        assert kept[-1] - kept[3] < LARGE // 4  # the same pages again and again, once glibc has found places that fit
    assert kept[0] - before > LARGE // 2
    give_back()
    assert _resident() - before < LARGE // 4


def test_a_network_is_measured_once_for_each_way_that_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def peak(run: object) -> int:
        asked.append(1)
        return 1000

    monkeypatch.setattr(chain_module, "peak_bytes", peak)
    network = Affine(1.0, 0.0)
    plain = Chain(network, Distillation(), Settings())
    first = plain.bytes_per_pixel()
    assert Chain(network, Distillation(), Settings()).bytes_per_pixel() == first
    assert len(asked) == 1
    Chain(network, Distillation(), Settings(ensemble=True)).bytes_per_pixel()
    Chain(Affine(1.0, 0.0), Distillation(), Settings()).bytes_per_pixel()
    assert len(asked) == 3
