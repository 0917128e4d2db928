"""Pictures are denoised where neither torch nor OpenVINO can be imported, and come out as with torch; what needs torch says so."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import unnoise
from unnoise import denoisers, schemes
from unnoise.batch.one_file import denoise_file
from unnoise.models import shipped, stored_networks
from unnoise.models.select import WEIGHTS
from unnoise.schemes.single_pass import SinglePass

WITHOUT_TORCH = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        library = name.partition(".")[0]
        if library in ("torch", "openvino"):
            raise ModuleNotFoundError(f"No module named '{library}'", name=library)

sys.meta_path.insert(0, Forbidden())
"""
COMMAND = (
    WITHOUT_TORCH
    + """
from unnoise.cli import main
main()
"""
)
PYTHON = (
    WITHOUT_TORCH
    + """
import numpy as np
import unnoise

model = unnoise.load("fast")
assert model.engine == "onnx", model.engine
np.save("result.npy", model.denoise(np.load("noisy.npy"), tile=64))
assert "torch" not in sys.modules
"""
)


def run(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False, env=settings
    )


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A folder with a photograph, the same as an array, and a measurement with a star, a hot pixel and a gap."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:140, 0:180]
    scene = np.stack(
        [90 + 60 * np.sin(columns / 17), 100 + 50 * np.sin(columns / 11 + rows / 30), 120 + 40 * np.cos(rows / 9)], -1
    )
    photo = (scene + generator.normal(0, 10, scene.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    np.save(tmp_path / "noisy.npy", photo)
    counts = 1000 + 300 * np.sin(columns / 25) + generator.normal(0, 30, rows.shape)
    counts[60:63, 70:73] += 9000
    counts[100, 30] = 60000
    counts[20:40, 120:150] = 0
    tifffile.imwrite(tmp_path / "counts.tif", counts.astype(np.uint16))
    return tmp_path


def differences(one: Path, other: Path) -> np.ndarray:
    read = unnoise.images.read
    return np.abs(read(one).pixels.astype(float) - read(other).pixels.astype(float))


@pytest.mark.parametrize(
    ("arguments", "options", "most", "mean"),
    [
        (("--model", "fast", "--unbounded"), {"bounded": False}, 1, 0.001),
        (
            ("--model", "default"),
            {},
            2,
            0.1,
        ),  # the bound decides by thresholds, so a square of blocks may fall on the other side
    ],
)
def test_a_photograph_is_the_same_without_torch(
    noisy: Path, arguments: tuple[str, ...], options: dict[str, Any], most: int, mean: float
) -> None:
    done = run(COMMAND, "denoise", "photo.png", "-o", "clean.png", *arguments, folder=noisy)
    assert done.returncode == 0, done.stderr
    model = unnoise.load(arguments[1], engine="torch")
    denoise_file(model, noisy / "photo.png", noisy / "torch.png", precision="float32", **options)
    off = differences(noisy / "clean.png", noisy / "torch.png")
    assert off.max() <= most
    assert off.mean() < mean
    assert (off > 1).mean() < 0.001
    assert differences(noisy / "clean.png", noisy / "photo.png").mean() > 3  # it was denoised


def test_a_measurement_is_the_same_without_torch(noisy: Path) -> None:
    arguments = "--model", "fast", "--hot-pixels", "remove", "--missing", "0"
    done = run(COMMAND, "denoise", "counts.tif", "-o", "clean.tif", *arguments, folder=noisy)
    assert done.returncode == 0, done.stderr
    assert "hot or dead pixel" in done.stderr
    options = {"precision": "float32", "hot_pixels": "remove", "missing": 0.0}
    with pytest.warns(unnoise.errors.UnnoiseWarning):
        denoise_file(unnoise.load("fast", engine="torch"), noisy / "counts.tif", noisy / "torch.tif", **options)
    off = differences(noisy / "clean.tif", noisy / "torch.tif")
    assert off.max() <= 30  # of 65,535: the noise's standard deviation, as a coefficient at its limit may go either way
    assert off.mean() < 0.3
    assert (off > 1).mean() < 0.05


def test_an_array_in_tiles_without_torch(noisy: Path) -> None:
    done = run(PYTHON, folder=noisy)
    assert done.returncode == 0, done.stderr
    wanted = unnoise.load("fast", engine="torch").denoise(np.load(noisy / "noisy.npy"), precision="float32", tile=64)
    off = np.abs(np.load(noisy / "result.npy").astype(int) - wanted)
    assert off.max() <= 1
    assert off.mean() < 0.01


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["denoise", "photo.png", "--adapt", "3m"], "--adapt needs PyTorch"),
        (["denoise", "photo.png", "--report"], "--report needs PyTorch"),
        (["denoise", "photo.png", "--neighbours", "1"], "Neighbouring frames need PyTorch"),
        (["denoise", "photo.png", "--model", "ap-bsn"], "R³ needs PyTorch; add --no-refine"),
        (["denoise", "photo.png", "--model", "tm-bsn"], "(tmbsn) runs by PyTorch alone"),
        (["denoise", "photo.png", "--model", "bm3d"], "'bm3d' needs PyTorch; install it"),
        (["denoise", "photo.png", "--engine", "torch"], "or give --engine onnx"),
        (["denoise", "photo.png", "--engine", "tensorflow"], "There is no engine 'tensorflow'"),
        (["denoise", "photo.png", "--device", "cuda"], "'cuda' cannot be used"),
        (["denoise", "photo.png", "--precision", "bfloat16"], "not in bfloat16"),
        (["train", ".", "--out", "runs"], "PyTorch is not installed"),
    ],
)
def test_what_needs_torch_says_so(noisy: Path, arguments: list[str], words: str) -> None:
    done = run(COMMAND, *arguments, folder=noisy)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models"], "tmbsn, 286,787 parameters"),
        (["doctor", "--no-speed"], "PyTorch is not installed; run: pip install torch"),
        (["inspect", "photo.png"], "was not tried on the picture, which needs PyTorch"),
        (["denoise", "photo.png", "-o", "auto.png", "--model", "auto"], "auto.png"),
    ],
)
def test_what_does_without_torch(noisy: Path, arguments: list[str], words: str) -> None:
    done = run(COMMAND, *arguments, folder=noisy)
    assert done.returncode == 0, done.stderr
    assert words in " ".join(done.stdout.split())


def test_the_engine_is_torch_where_it_is_installed() -> None:
    assert stored_networks.choose_engine("auto") == "torch"
    assert unnoise.load("fast").engine == "torch"
    assert unnoise.load("fast", engine="onnx").engine == "onnx"


def test_a_model_goes_to_other_processes() -> None:
    network = unnoise.load("fast", engine="onnx").network
    noisy = np.random.default_rng(0).random((1, 3, 33, 40), np.float32)
    assert (pickle.loads(pickle.dumps(network))(noisy) == network(noisy)).all()


def test_schemes_of_one_pass_are_known_without_torch() -> None:
    known = {name: schemes.lookup(name) for name in schemes.names()}
    found = {name for name, each in known.items() if issubclass(each, SinglePass) and each.restore is SinglePass.restore}
    assert found >= stored_networks.SINGLE_PASS  # one that is not listed is refused with a sentence
    assert "distillation" in stored_networks.SINGLE_PASS


def test_the_shipped_graphs_are_those_of_the_shipped_networks() -> None:
    wanted = set()
    for name in shipped.names():
        header = stored_networks.read_header(WEIGHTS / f"{name}.safetensors")
        recipe = unnoise.recipes.applied.AppliedRecipe.model_validate_json(header["recipe"])
        if recipe.scheme["name"] != "risk-averaged-blind-spot":
            model = unnoise.load(name, engine="torch")
            sizes, scheme = model.network.sizes, model.recipe.scheme.model_dump(mode="json")
            wanted.add(stored_networks.graph_name(denoisers.name_of(model.network), sizes, scheme))
    wanted |= {name.replace(".onnx", "-bytes.onnx") for name in wanted if name.startswith("tmbsn-student-rounded-")}
    assert wanted == {path.name for path in stored_networks.GRAPHS.glob("*.onnx")}
    assert sum(path.stat().st_size for path in stored_networks.GRAPHS.glob("*")) < 200_000
    whole = sum(path.stat().st_size for folder in (WEIGHTS, stored_networks.GRAPHS) for path in folder.glob("*"))
    assert whole < 8 * 2**20
