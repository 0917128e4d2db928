"""The programs in C++ and C# are built where their tools are, and the former gives what onnxruntime gives in Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from PIL import Image

import unnoise
from unnoise.export.onnx_file import export

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADER = "onnxruntime_cxx_api.h"
GRAPH = """<ir_version: 10, opset_import: ["" : 18], metadata_props: ["licence": "none"]>
darker (float[1, 3, H, W] noisy) => (float[1, 3, H, W] restored) <float half = {0.5}> { restored = Mul(noisy, half) }"""

pytestmark = pytest.mark.slow


def _release() -> Path | None:
    """The folder of a release of onnxruntime for C++, by the variable `ONNXRUNTIME` or where systems keep it."""
    places = [Path(os.environ.get("ONNXRUNTIME", "/nowhere")), Path("/usr"), Path("/usr/local")]
    found = [place for place in places if list(place.glob(f"include/**/{HEADER}"))]
    return found[0] if found else None


@pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("g++") is None, reason="there is no compiler for C++")
@pytest.mark.skipif(_release() is None, reason=f"there is no {HEADER}; ONNXRUNTIME may name a release of onnxruntime")
def test_cpp_builds_and_denoises(tmp_path: Path) -> None:
    build = tmp_path / "build"
    configure = ["cmake", "-S", str(EXAMPLES / "cpp"), "-B", str(build), f"-DONNXRUNTIME={_release()}"]
    for command in ([*configure, "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"], ["cmake", "--build", str(build)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    onnx.save(onnx.parser.parse_model(GRAPH), tmp_path / "half.onnx")
    noisy = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    (tmp_path / "noisy.ppm").write_bytes(b"P6\n7 5\n255\n" + noisy.tobytes())
    run = [str(build / "denoise"), "half.onnx", "noisy.ppm", "restored.ppm"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "licence of the model: none\n"
    header, values = b"P6\n7 5\n255\n", (tmp_path / "restored.ppm").read_bytes()
    restored = np.frombuffer(values.removeprefix(header), np.uint8).reshape(5, 7, 3)
    assert np.abs(restored - noisy / 2).max() <= 0.5
    _check_against_the_command_line(build / "denoise", tmp_path)
    done = subprocess.run([*run[:2], "half.onnx", "again.ppm"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "half.onnx is no binary PPM file" in done.stderr


def _check_against_the_command_line(program: Path, folder: Path) -> None:
    """The program's picture by a shipped model is the command line's, which adds nothing around the network, to 1 of 255."""
    export(unnoise.load("fast"), folder / "fast.onnx")
    rows, columns = np.mgrid[0:75, 0:98]
    scene = np.stack(
        [120 + 50 * np.sin(columns / 19), 110 + 60 * np.cos(rows / 9), 100 + 40 * np.sin(columns / 12 + rows / 27)], -1
    )
    noisy = (scene + np.random.default_rng(0).normal(0, 15, scene.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(folder / "photo.ppm")
    done = subprocess.run([str(program), "fast.onnx", "photo.ppm", "program.ppm"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = ["unnoise", "denoise", "photo.ppm", "-o", "line.ppm", "--model", "fast.onnx", "--unbounded"]
    line += ["--detail", "0", "--bias-correction", "none"]
    code = "import sys; sys.argv = sys.argv[1:]; from unnoise.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *line], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, theirs = (np.asarray(Image.open(folder / name)).astype(int) for name in ("program.ppm", "line.ppm"))
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - noisy).mean() > 5  # it was denoised


@pytest.mark.skipif(shutil.which("dotnet") is None, reason="there is no .NET SDK")
def test_csharp_builds(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "csharp", tmp_path / "csharp")
    done = subprocess.run(["dotnet", "build"], cwd=tmp_path / "csharp", capture_output=True, text=True, check=False)
    if "NU1301" in done.stdout:
        pytest.skip("NuGet cannot be reached")
    assert done.returncode == 0, done.stdout
