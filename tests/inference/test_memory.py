"""Memory: what is freed within a picture's pass is there for the next layer, and a network is measured once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from handmade import Affine
from unnoise.inference import chain as chain_module
from unnoise.inference.chain import Chain
from unnoise.inference.settings import InferenceSettings
from unnoise.schemes.distillation import Distillation

BEGIN = """
import resource

import torch

from unnoise.inference.memory import give_back, resident, reused

MB = 2**20


def filled(count, size):  # resident bytes after tensors of so many MB were filled and freed, and the faults of pages that it took
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(size * MB, dtype=torch.uint8) for _ in range(count)]
    del pieces
    return resident(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


give_back()
"""

WHOLE = """
before, _ = filled(1, 80)  # more than glibc ever keeps by itself
with reused(entirely=True):
    kept = [filled(1, 80)[0] for _ in range(16)]
assert kept[0] - before > 40 * MB, "what was freed went back to the system"
assert kept[-1] - kept[0] < 12 * 80 * MB, "no memory was handed out again"  # glibc may need seven places first
give_back()
assert resident() - before < 20 * MB, "what was kept cannot be given back"
"""

TILES = """
before = resident()
first, _ = filled(8, 20)
_, again = filled(8, 20)
assert again > 10_000, "glibc keeps so much by itself, and nothing need be done"
with reused(entirely=False):
    filled(8, 20)
    faults = [filled(8, 20)[1] for _ in range(8)]
    assert sorted(faults)[4] < again / 4, f"the same tile again asks for new memory: {faults}"
    held = resident()
    give_back(held + 100 * MB)
    assert resident() > held - 10 * MB, "given back though less was held than may be"
    give_back(held - 100 * MB)
    assert resident() < before + 60 * MB, "kept though more was held than may be"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other allocators")
@pytest.mark.parametrize("script", [WHOLE, TILES], ids=["of a picture in one piece", "from tile to tile"])
def test_freed_memory_stays_with_the_process_while_it_is_reused(script: str) -> None:
    """In a process of its own, whose heap no other test has been through."""
    done = subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_network_is_measured_once_for_each_way_that_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def peak(run: object) -> int:
        asked.append(1)
        return 1000

    monkeypatch.setattr(chain_module, "peak_bytes", peak)
    network = Affine(1.0, 0.0)
    plain = Chain(network, Distillation(), InferenceSettings())
    first = plain.bytes_per_pixel()
    assert Chain(network, Distillation(), InferenceSettings()).bytes_per_pixel() == first
    assert len(asked) == 1
    Chain(network, Distillation(), InferenceSettings(ensemble=True)).bytes_per_pixel()
    Chain(Affine(1.0, 0.0), Distillation(), InferenceSettings()).bytes_per_pixel()
    assert len(asked) == 3
