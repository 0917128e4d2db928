"""Loading and using shipped models imports no part of torch that only compilers need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


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


def test_a_photograph_is_denoised_without_training_and_scenes(tmp_path: Path) -> None:
    code = """
import sys
from unnoise.cli import main

sys.argv[1:] = ["denoise", "photo.png", "-o", "clean.png", "--model", "fast"]
try:
    main()
except SystemExit as exit_:
    assert not exit_.code, exit_.code
heavy = {"torch._dynamo", "sympy", "matplotlib", "scipy", "accelerate", "numpy.f2py", "unnoise.simulation.drawn_scenes"}
training = {name for name in sys.modules if name.startswith("unnoise.training")}
assert not (heavy & set(sys.modules) | training), heavy & set(sys.modules) | training
"""
    ramp = np.linspace(60, 190, 96)[:, None, None]
    noisy = ramp + np.random.default_rng(0).normal(0, 12, (96, 96, 1)) + np.random.default_rng(1).normal(0, 12, (96, 96, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / "photo.png")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "clean.png").is_file()
