"""Memory: freed memory is reused by the next layer, and each network is measured once."""

from __future__ import annotations

import os
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

from unnoise.inference.memory import trim_memory, resident_bytes, reuse_freed_memory

MB = 2**20


def filled(count, size):  # resident_bytes bytes after tensors of so many MB were filled and freed, and the faults of pages that it took
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(size * MB, dtype=torch.uint8) for _ in range(count)]
    del pieces
    return resident_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


trim_memory()
"""

WHOLE = """
before, _ = filled(1, 80)  # more than glibc ever keeps by itself
with reuse_freed_memory(entirely=True):
    kept = [filled(1, 80)[0] for _ in range(16)]
assert kept[0] - before > 40 * MB, "what was freed went back to the system"
assert kept[-1] - kept[0] < 12 * 80 * MB, "no memory was handed out again"  # glibc may need seven places first
trim_memory()
assert resident_bytes() - before < 20 * MB, "what was kept cannot be given back"
"""

TILES = """
before = resident_bytes()
first, _ = filled(8, 20)
_, again = filled(8, 20)
assert again > 10_000, "glibc keeps so much by itself, and nothing need be done"
with reuse_freed_memory(entirely=False):
    filled(8, 20)
    faults = [filled(8, 20)[1] for _ in range(8)]
    assert sorted(faults)[4] < again / 4, f"the same tile again asks for new memory: {faults}"
    held = resident_bytes()
    trim_memory(held + 100 * MB)
    assert resident_bytes() > held - 10 * MB, "given back though less was held than may be"
    trim_memory(held - 100 * MB)
    assert resident_bytes() < before + 60 * MB, "kept though more was held than may be"
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


SHAPES = """
import unnoise
import torch

from unnoise.inference.memory import resident_bytes, trim_memory

torch.set_num_threads(1)
kernel = torch.ones(16, 16, 3, 3, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
grown = []
with torch.inference_mode():
    for count in (300, 500):
        trim_memory()
        before = resident_bytes()
        for size in range(count):
            torch.nn.functional.linear(torch.ones(100 + count + size, 16, dtype=torch.bfloat16), kernel[:, :, 0, 0].contiguous())
            torch.ops.mkldnn._reorder_convolution_weight(kernel, [1, 1], [1, 1], [1, 1], 1, [1, 16, 9, 9 + count + size])
        trim_memory()
        grown.append((resident_bytes() - before) / 2**20)
print(*grown)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory by glibc")
def test_what_was_prepared_for_many_shapes_is_not_kept_for_ever() -> None:
    answer = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, text=True, check=True)
    first, later = map(float, answer.stdout.split())
    assert later < 10.0, f"{first} MiB, and {later} MiB more for other shapes"


def test_the_number_of_prepared_shapes_is_limited_and_a_user_s_own_limit_stays() -> None:
    code = "import os, unnoise; print(os.environ['LRU_CACHE_CAPACITY'], os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'])"
    unset = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}
    for given, expected in (({}, "256 256"), ({"LRU_CACHE_CAPACITY": "7"}, "7 256")):
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unset | given)
        assert answer.stdout.strip() == expected
