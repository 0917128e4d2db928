"""AT-BSN and its kin learn on noisy pictures alone, and students from them; a distillation that was stopped goes on exactly."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unnoise import load, recipes
from unnoise.cli import main
from unnoise.errors import UsageError
from unnoise.models.model import Model
from unnoise.training.options import TrainingStatus
from unnoise.training.train import train

SIDE = 32
HOLES = [1, 3, 5]


def _scene(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A clean picture of smooth waves, and the same with noise that is correlated over two pixels."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [np.sin(2 * np.pi * (draw.uniform(-1, 1) * rows + draw.uniform(-1, 1) * columns + draw.random())) for _ in range(3)]
    clean = (0.5 + 0.3 * np.stack(waves, axis=-1)).astype(np.float32)
    white = draw.normal(0, 0.15, (SIDE + 1, SIDE + 1, 3))
    correlated = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    return clean, (clean + correlated).astype(np.float32)


SCENES = [_scene(seed) for seed in range(100, 104)]
"""None of them is trained on."""


def _pictures() -> list[NDArray[np.float32]]:
    return [_scene(seed)[1] for seed in range(12)]


def _train(recipe: dict[str, Any], output: Path, steps: int, rate: float = 1e-2, **options: Any) -> Model:
    training = {"crop": SIDE, "batch": 2, "learning_rate": rate, "ema": 0.9}
    chosen = recipes.validate({"name": "tiny", "training": training} | recipe, "tiny")
    return train(_pictures(), chosen, output=output, steps=steps, device="cpu", precision="float32", **options)


AT_BSN = {
    "denoiser": {"name": "atbsn", "width": 8},
    "scheme": {"name": "tunable-blind-spot", "train_hole": 5, "infer_hole": 3},
    "refinement": {"name": "r3", "draws": 2},
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small AT-BSN, trained for some seconds."""
    folder = tmp_path_factory.mktemp("teacher")
    _train(AT_BSN, folder, 200)
    return folder


def _student(teacher: Path, **scheme: Any) -> dict[str, Any]:
    return {
        "denoiser": {"name": "atbsn-student-a", "width": 8},
        "scheme": {"name": "distillation", "teachers": [str(teacher)], "each": {"holes": HOLES}} | scheme,
    }


def _losses(run: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((run / "log.csv").open())]


def _error(model: Model) -> tuple[float, float]:
    """Mean squared error of the noisy and of the restored pictures."""
    restored = [model.denoise(noisy, refine=False, precision="float32") for _, noisy in SCENES]
    return tuple(  # type: ignore[return-value]
        float(np.mean([(result - clean) ** 2 for result, (clean, _) in zip(results, SCENES, strict=True)]))
        for results in ([noisy for _, noisy in SCENES], restored)
    )


def test_at_bsn_learns(teacher: Path) -> None:
    losses = _losses(teacher)
    assert losses[-1] < 0.6 * losses[0]
    noisy, restored = _error(load(teacher))
    assert restored < 0.5 * noisy


@pytest.mark.parametrize("cache", [False, True])
def test_a_student_comes_close_to_its_teachers(cache: bool, teacher: Path, tmp_path: Path) -> None:
    said: list[str] = []
    student = _train(_student(teacher, cache=cache), tmp_path, 150, on_message=said.append)
    assert any("Running the teachers over 12 pictures" in sentence for sentence in said) == cache
    losses = _losses(tmp_path)
    assert losses[-1] < 0.6 * losses[0]
    noisy, restored = _error(student)
    assert restored < 0.5 * noisy
    network = load(teacher).network
    to_teachers, to_noisy = [], []
    for _, picture in SCENES:
        x = torch.from_numpy(picture).permute(2, 0, 1)[None] * 255
        with torch.no_grad():
            targets = torch.stack([network(x, blind_spot=hole) for hole in HOLES])
            to_teachers.append((student.network(x) - targets).abs().mean().item())
            to_noisy.append((x - targets).abs().mean().item())
    assert np.mean(to_teachers) < 0.6 * np.mean(to_noisy)


def _weights(model: Model) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.network.state_dict().items()}


@pytest.mark.parametrize("scheme", [{"recharge": True}, {"recharge": True, "cache": True}, {"each": {}}])
def test_a_stopped_distillation_goes_on_exactly(scheme: dict[str, Any], teacher: Path, tmp_path: Path) -> None:
    """Though the recharge, and R³ where the teacher is not run at holes, draw at random in each step."""

    def stop(status: TrainingStatus) -> None:
        if status.step:  # not yet while the pictures are read
            os.kill(os.getpid(), signal.SIGTERM)

    recipe = _student(teacher, **scheme)
    with pytest.raises(KeyboardInterrupt):
        _train(recipe, tmp_path / "stopped", 22, progress=stop)
    resumed = _train(recipe, tmp_path / "stopped", 22, resume=True)
    alone = _train(recipe, tmp_path / "alone", 22)
    assert all(torch.equal(value, _weights(alone)[key]) for key, value in _weights(resumed).items())
    if scheme.get("recharge"):  # else the draws could have been left out
        other = _train(_student(teacher, **scheme | {"recharge": False}), tmp_path / "other", 22)
        assert not all(torch.equal(value, _weights(alone)[key]) for key, value in _weights(other).items())


def test_resuming_does_not_start_from_the_teacher_again(teacher: Path, tmp_path: Path) -> None:
    recipe = _student(teacher, student_from_teacher=True) | {"denoiser": {"name": "atbsn-student-c", "width": 8}}
    said: list[str] = []
    first = _train(recipe, tmp_path, 3, on_message=said.append)
    again = _train(recipe, tmp_path, 3, on_message=said.append, resume=True)
    assert sum("begins with" in sentence for sentence in said) == 1
    assert all(torch.equal(value, _weights(first)[key]) for key, value in _weights(again).items())


TINY = {
    "at-bsn": {"denoiser.width": 4},
    "tm-bsn": {"denoiser.features": 4, "denoiser.groups": 1, "denoiser.blocks": 1},
    "ss-bsn": {"denoiser.features": 4, "denoiser.modules": 2, "denoiser.attention_modules": 1},
    "at-bsn-d": {"denoiser.width": 4},
    "tm-bsn-d": {"denoiser.width": 4},
}


@pytest.mark.parametrize("name", TINY)
def test_each_recipe_trains_and_its_model_restores(name: str, tmp_path: Path) -> None:
    small = {"training.crop": 24, "training.batch": 2}
    more: dict[str, Any] = {}
    if name.endswith("-d"):
        base = name.removesuffix("-d")
        train(_pictures(), recipes.load(base, TINY[base] | small), output=tmp_path / base, steps=1, device="cpu")
        more = {"scheme.teachers": [tmp_path / base]}
    run = tmp_path / "run"
    train(_pictures(), recipes.load(name, TINY[name] | small | more), output=run, steps=2, device="cpu")
    picture = np.random.default_rng(0).integers(0, 255, (33, 21, 3), dtype=np.uint8)
    restored = load(run).denoise(picture)
    assert (restored.shape, restored.dtype) == (picture.shape, picture.dtype)


def test_teachers_on_the_command_line(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, picture in enumerate(_pictures()[:2]):
        np.save(tmp_path / f"{number}.npy", picture)
    sizes = ["--set", "denoiser.width=8", "--set", "training.crop=16", "--set", "training.batch=2"]
    command = ["unnoise", "train", str(tmp_path), "--recipe", "at-bsn-d", "--steps", "2", "--device", "cpu", *sizes]
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "name a trained model by --teacher" in capfd.readouterr().err
    assert not (tmp_path / "none").exists()
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path / "run"), *["--teacher", str(teacher)] * 2])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    model = load(tmp_path / "run")
    assert [choice.model for choice in model.recipe.scheme.teachers] == [str(teacher)] * 2  # type: ignore[attr-defined]
    assert "begins with" in capfd.readouterr().err


def test_a_teacher_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no model"):
        _train(_student(tmp_path / "gone"), tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()
