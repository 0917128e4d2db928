"""Loading and using shipped models imports no part of torch that only compilers need."""

from __future__ import annotations

import subprocess
import sys


def test_models_are_loaded_and_used_without_the_compiler() -> None:
    code = """
import sys
import numpy as np
import unnoise
from unnoise.models import shipped

noisy = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
for name in shipped.names():
    unnoise.load(name).denoise(noisy, force=True)
    assert not {"torch._dynamo", "sympy", "triton"} & set(sys.modules), name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
