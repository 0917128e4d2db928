"""A GPU that fails in the middle of a picture or of a training: one sentence, nothing half-written, and the rest later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from command_line import Answer, call
from unnoise import images, recipes
from unnoise.images import Picture
from unnoise.inference.chain import Chain
from unnoise.models.model import fresh
from unnoise.regions import Region, RegionSource
from unnoise.training.loop import Run

RECIPE = """
name: tiny
denoiser: {name: dbsn, features: 4, modules: 1}
scheme: {name: pd-blind-spot, train_stride: 1, infer_stride: 1}
training: {crop: 16, batch: 1, learning_rate: 1.0e-3}
"""
LAUNCH = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
TILES = 4
"""Of a picture, with tiles of 32."""

Unnoise = Callable[..., Answer]


@pytest.fixture
def unnoise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Unnoise:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    fresh(recipes.load(tmp_path / "recipe.yaml")).save(tmp_path / "m.safetensors")
    (tmp_path / "in").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(60, 200, (64, 64, 3), np.uint8)
        images.write(tmp_path / "in" / f"{number}.png", Picture(pixels))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call(monkeypatch, capfd, *arguments)


def _denoise(unnoise: Unnoise, out: str) -> Answer:
    return unnoise("denoise", "in", "-o", out, "--model", "m.safetensors", "--device", "cpu", "--workers", "1", "--tile", "32")


def _fail(monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], fails: Callable[[int], bool]) -> list[int]:
    """Let those tiles fail whose number, from 0 on, is told. Gives the numbers of all."""
    restore, tiles = Chain.restore, []

    def failing(chain: Chain, view: RegionSource, part: Region) -> Tensor:
        tiles.append(len(tiles))
        if fails(tiles[-1]):
            raise error()
        return restore(chain, view, part)

    monkeypatch.setattr(Chain, "restore", failing)
    return tiles


def _results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != ".unnoise-manifest.json"}


def test_a_kernel_that_fails_within_a_picture(unnoise: Unnoise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _denoise(unnoise, "whole").status == 0
    with monkeypatch.context() as patch:
        tiles = _fail(
            patch, lambda: torch.AcceleratorError(LAUNCH), lambda number: number >= TILES + 2
        )  # in the second picture, and from then on
        answer = _denoise(unnoise, "out")
    assert answer.status == 1
    told = [line for line in answer.err.splitlines() if line.startswith("unnoise: ")]
    assert (
        "1.png was not denoised, as the device failed (CUDA error: an illegal memory access was encountered); give the same"
        in told[0]
    )
    assert "Traceback" not in answer.err
    assert len(tiles) == TILES + 3  # the third picture is not tried on a device that is lost
    assert "1 written, 1 failed, 1 not done." in answer.out + answer.err
    whole = _results(tmp_path / "whole")
    assert _results(tmp_path / "out") == {"0.png": whole["0.png"]}
    assert _denoise(unnoise, "out").status == 0
    assert _results(tmp_path / "out") == whole


def test_memory_of_a_device_that_runs_out_once_costs_smaller_tiles_alone(
    unnoise: Unnoise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _denoise(unnoise, "whole").status == 0
    with monkeypatch.context() as patch:
        tiles = _fail(patch, lambda: torch.OutOfMemoryError(FULL), lambda number: number == TILES + 2)
        assert _denoise(unnoise, "out").status == 0
    assert len(tiles) > 3 * TILES + 1
    for name in _results(tmp_path / "whole"):
        got, expected = (images.read(tmp_path / folder / name).pixels.astype(int) for folder in ("out", "whole"))
        assert abs(got - expected).max() <= 1


def test_memory_of_a_device_that_is_never_enough_is_a_sentence_for_each_picture(
    unnoise: Unnoise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail(patch, lambda: torch.OutOfMemoryError(FULL), lambda number: True)
        answer = _denoise(unnoise, "out")
    assert answer.status == 1
    told = [line for line in answer.err.splitlines() if line.startswith("unnoise: ")]
    assert [line.split()[1] for line in told[:3]] == [f"in/{number}.png" for number in range(3)]
    assert "Traceback" not in answer.err
    assert _results(tmp_path / "out") == {}


def test_a_kernel_that_fails_within_a_training(unnoise: Unnoise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(out: str, *more: str) -> Answer:
        arguments = ("train", "in", "--recipe", "recipe.yaml", "--out", out, "--steps", "6", "--checkpoint-every", "0")
        return unnoise(*arguments, "--device", "cpu", "--precision", "float32", "--start", "none", *more)

    one_step = Run._one_step
    monkeypatch.setattr("unnoise.training.train.compared", lambda model, *_, **__: model)  # with `default`, which takes long

    def failing(run: Run, batch: Tensor, rate: float) -> Tensor:
        if run.step == 4:
            raise torch.AcceleratorError(LAUNCH)
        return one_step(run, batch, rate)

    assert train("whole").status == 0
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_one_step", failing)
        answer = train("out")
    assert answer.status == 1
    assert "Traceback" not in answer.err
    assert answer.err.splitlines()[-1] == (
        "unnoise: The training did not end, as the device failed (CUDA error: an illegal memory access was encountered); give the "
        "same command with --resume, or --device cpu."
    )
    assert torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["step"] == 4
    assert train("out", "--resume").status == 0
    states = [torch.load(tmp_path / out / "checkpoint.pt", weights_only=True)["network"] for out in ("whole", "out")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
