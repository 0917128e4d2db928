"""Each kernel compiles for a GPU of today, without one: what Triton's interpreter bears, its compiler may not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from unnoise.layers.triton import depthwise, epilogue, few_outputs, norms, shifted_sum

VALUES = {"y", "x", "out", "other", "taps", "a", "b", "c", "d"}
FLOATS = {"slope": "fp32", "eps": "fp32", "bias": "*fp32"}


def compiled(kernel, constants, **types):
    signature = {}
    for name in kernel.arg_names:
        usual = "*bf16" if name in VALUES else FLOATS.get(name, "i32")
        signature[name] = "constexpr" if name in constants else types.get(name, usual)
    source = ASTSource(kernel, signature, constexprs={(kernel.arg_names.index(name),): value for name, value in constants.items()})
    return triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]


for activation in range(5):
    for other in range(4):
        last = dict(BIASED=True, ACTIVATION=activation, OTHER=other)
        compiled(epilogue._apply_epilogue, dict(CHANNELS=48, BLOCK_VALUES=1024, **last))
        if activation in (0, 3):
            compiled(depthwise._depthwise, dict(C=144, PIXELS=32, CHANNELS=64, **last))
compiled(shifted_sum._shifted_sum, dict(C=384, ACTIVATION=1, PIXELS=32, CHANNELS=128))
for centred in (False, True):
    compiled(norms._layer_norm, dict(CHANNELS=48, CENTRED=centred, PIXELS=64, WIDE=64))
for side, replicate in ((1, False), (3, False), (3, True)):
    constants = dict(C=96, LEAVING=3, SIDE=side, BIASED=True, REPLICATE=replicate, PIXELS=128, CHUNK=32, OUTPUTS=16)
    text = compiled(few_outputs._to_few, constants, out="*fp32")
    assert "mma" in text, "the products are not those of tensor cores"
print("compiled")
"""


@pytest.mark.slow
def test_every_kernel_compiles_for_a_gpu(tmp_path: Path) -> None:
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "compiled"
