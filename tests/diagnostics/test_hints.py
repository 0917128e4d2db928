"""Which sentences `unnoise doctor` says about which machine."""

from __future__ import annotations

import re

import pytest

from unnoise.diagnostics.hints import find_hints
from unnoise.diagnostics.installation import Installation
from unnoise.diagnostics.speed import DeviceFacts, Speed

MACHINE = Installation(
    unnoise="0",
    python="3",
    system="Linux",
    processor="one",
    cores=8,
    machine_cores=8,
    memory_gb=32,
    libraries={"torch": "2"},
    extras={},
    has_nvidia_gpu=False,
)
CPU = DeviceFacts(name="cpu", label="AVX512", bfloat16=True, int8=True)
GPU = DeviceFacts(name="cuda:0", label="A GPU", bfloat16=True, int8=False)
SPEED = Speed(model="fast", device="cpu", precision="bfloat16", seconds_per_megapixel=1, threads=4, processor_share=3.9)


def test_a_good_machine_gets_no_hint() -> None:
    assert find_hints(MACHINE, [CPU], [SPEED], 20) == []
    assert find_hints(MACHINE.model_copy(update={"has_nvidia_gpu": True}), [GPU, CPU], [SPEED], 20) == []


@pytest.mark.parametrize(
    ("machine", "devices", "speed", "free_gb", "words"),
    [
        (
            {"libraries": {"torch": None}},
            [],
            SPEED,
            20,
            "PyTorch is not installed; run: pip install torch.*pip install openvino",
        ),
        ({"libraries": {"openvino": "1"}}, [], SPEED, 20, r"PyTorch is not installed; run: pip install torch[^;]*$"),
        ({"has_nvidia_gpu": True}, [CPU], SPEED, 20, r"this PyTorch cannot use it; .* pip install '\.\[torch\]'"),
        ({}, [CPU.model_copy(update={"bfloat16": False})], SPEED, 20, "'unnoise quantize' makes an int8 model"),
        ({}, [CPU.model_copy(update={"bfloat16": False, "int8": False})], SPEED, 20, "--model fast"),
        ({}, [GPU.model_copy(update={"bfloat16": False}), CPU], SPEED, 20, "no bfloat16 and computes in float32"),
        ({"cores": 4}, [CPU], SPEED, 20, "may use 4 of 8 cores"),
        ({}, [CPU], SPEED.model_copy(update={"threads": 1}), 20, "1 of 8 cores; unset OMP_NUM_THREADS"),
        ({}, [CPU], SPEED.model_copy(update={"processor_share": 0.25}), 20, "got 25% of a core"),
        ({}, [CPU], SPEED, 1.5, r"Only 1\.5 GB"),
    ],
)
def test_each_lack_has_one_sentence(
    machine: dict[str, object], devices: list[DeviceFacts], speed: Speed, free_gb: float, words: str
) -> None:
    hints = find_hints(MACHINE.model_copy(update=machine), devices, [speed], free_gb)
    assert len(hints) == 1
    assert re.search(words, hints[0])
