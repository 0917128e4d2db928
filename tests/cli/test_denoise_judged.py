"""`unnoise denoise` with --strength, --detail, --report, --adapt and --save-model, as a user calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unnoise import images, recipes
from unnoise.cli import main
from unnoise.models.model import Model, fresh

FIELDS = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 1, "infer_stride": 1},
    "training": {"crop": 24, "batch": 2, "learning_rate": 1e-2},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    fresh(recipes.validate(FIELDS, "tiny")).save(tmp_path / "tiny.safetensors")
    pixels = np.clip(np.random.default_rng(0).normal(120, 15, (72, 60, 3)), 0, 255).astype(np.uint8)
    images.write(tmp_path / "a.png", images.Picture(pixels))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["unnoise", "denoise", "a.png", "--model", "tiny.safetensors", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code if isinstance(exit_.value.code, int) else 0


def test_strength_zero_detail_and_report(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.read(folder / "a.png").pixels
    assert call(monkeypatch, "-o", "same.png", "--strength", "0") == 0
    assert np.array_equal(images.read(folder / "same.png").pixels, before)
    assert call(monkeypatch, "-o", "out", "--detail", "0.5", "--report") == 0
    assert json.loads((folder / "out" / "a.report.json").read_text())["level"] > 0
    assert (folder / "out" / "a.report.png").is_file()


def test_the_adapted_model_is_kept_and_denoises_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "-o", "one.png", "--adapt", "24", "--save-model", "mine.safetensors", "--device", "cpu") == 0
    assert "Adapt" in capfd.readouterr().err
    pixels = images.read(folder / "a.png").pixels
    again = Model.load(folder / "mine.safetensors").denoise(pixels)
    assert np.array_equal(images.read(folder / "one.png").pixels, again)
    assert not np.array_equal(again, Model.load(folder / "tiny.safetensors").denoise(pixels))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--strength", "1.5"],
        ["--detail", "-1"],
        ["--adapt", "soon"],
        ["--save-model", "mine.safetensors"],
        ["--adapt", "3", "--save-model", "mine.txt"],
        ["--adapt", "3", "--save-model", "tiny.safetensors"],
    ],
)
def test_bad_calls_end_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("unnoise: ")
    assert {path.name for path in folder.iterdir()} == {"a.png", "tiny.safetensors"}
