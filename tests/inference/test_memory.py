"""Memory: what is freed within a picture's pass is there for the next layer, and a network is measured once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from handmade import Affine
from unnoise.inference import chain as chain_module
from unnoise.inference.chain import Chain, Settings
from unnoise.schemes.distillation import Distillation

ALONE = """
import torch

from unnoise.inference.memory import give_back, reused

LARGE = 80 * 2**20  # more than glibc ever keeps by itself


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def touched():  # resident bytes after a large tensor was filled and freed
    torch.ones(LARGE, dtype=torch.uint8)
    return resident()


give_back()
before = touched()
with reused():
    kept = [touched() for _ in range(16)]
assert kept[0] - before > LARGE // 2, "what was freed went back to the system"
assert kept[-1] - kept[0] < 12 * LARGE, "no memory was handed out again"  # glibc may need seven places first
give_back()
assert resident() - before < LARGE // 4, "what was kept cannot be given back"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other allocators")
def test_freed_memory_stays_with_the_process_while_it_is_reused() -> None:
    """In a process of its own, whose heap no other test has been through."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
