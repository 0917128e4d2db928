"""Training really learns: on noisy pictures alone the loss falls, and so does the error against the clean ones it never saw."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.models.model import Model
from unnoise.recipes.schema import Recipe
from unnoise.training import loop
from unnoise.training.loop import Run
from unnoise.training.options import TrainingStatus
from unnoise.training.train import train


def _scene(seed: int, side: int = 96) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A clean picture of smooth shapes, and the same with noise that is correlated over two pixels."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(2 * np.pi * (draw.uniform(-2, 2) * rows + draw.uniform(-2, 2) * columns + draw.random())) for _ in range(3)]
    clean = (0.5 + 0.3 * np.stack(waves, axis=-1)).astype(np.float32)
    white = draw.normal(0, 0.08, (side + 1, side + 1, 3))
    correlated = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    return clean, np.clip(clean + correlated, 0, 1).astype(np.float32)


def _recipe(**training: object) -> Recipe:
    fields = {
        "name": "tiny",
        "denoiser": {"name": "dbsn", "features": 16, "modules": 1},
        "scheme": {"name": "pd-blind-spot", "train_stride": 4, "infer_stride": 2},
        "training": {"crop": 48, "batch": 4, "learning_rate": 1e-2, "initialization": "he", "ema": 0.9, "steps": 200}
        | training,
    }
    return recipes.validate(fields, "tiny")


def _error(model: Model, seed: int = 99) -> tuple[float, float]:
    """Mean squared error of the noisy and of the restored picture, of a scene that was not trained on."""
    clean, noisy = _scene(seed)
    return float(((noisy - clean) ** 2).mean()), float(((model.denoise(noisy) - clean) ** 2).mean())


def test_loss_and_error_against_the_truth_fall(tmp_path: Path) -> None:
    pictures = [_scene(seed)[1] for seed in range(6)]
    short = train(pictures, _recipe(), output=tmp_path / "short", steps=20, device="cpu")
    long = train(pictures, _recipe(), output=tmp_path / "long", steps=220, device="cpu")
    noisy, after_short = _error(short)
    _, after_long = _error(long)
    assert after_long < 0.5 * after_short
    assert after_long < 0.5 * noisy
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "long" / "log.csv").open())]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(("denoiser", "said"), [("dncnn", 1), ("dbsn", 0)])
def test_a_network_that_may_copy_the_noise_is_named(denoiser: str, said: int, tmp_path: Path) -> None:
    messages: list[str] = []
    sizes = {"dncnn": {"features": 4, "layers": 3}, "dbsn": {"features": 4, "modules": 1}}[denoiser]
    recipe = recipes.load("ap-bsn", {"denoiser": {"name": denoiser, **sizes}, "training.crop": 30, "training.batch": 1})
    train([_scene(0)[1]], recipe, output=tmp_path / "run", steps=1, device="cpu", on_message=messages.append)
    assert sum("is not blind" in message for message in messages) == said


def test_what_a_run_leaves_behind(tmp_path: Path) -> None:
    seen: list[TrainingStatus] = []
    model = train(
        [_scene(0)[1]], _recipe(), output=tmp_path, steps=25, device="cpu", progress=seen.append, command="the command"
    )
    again = Model.load(tmp_path / "model.safetensors")
    assert all(torch.equal(value, again.network.state_dict()[key]) for key, value in model.network.state_dict().items())
    assert again.card.steps == 25
    assert again.card.command == "the command"
    assert list((tmp_path / "previews").glob("*.png"))
    assert list((tmp_path / "tensorboard").iterdir())
    steps = [status for status in seen if not status.stage]
    told = {status.step: status.loss is None for status in steps}
    assert {3: True, 20: False, 25: False}.items() <= told.items()
    assert steps[-1].share == 1
    assert steps[-1].seconds_left == 0


def test_the_first_estimate_of_the_time_leaves_out_the_slow_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_step = Run._one_step

    def slow(run: Run, batch: Tensor, rate: float) -> Tensor:
        time.sleep(0.1 if run.step else 2.0)
        return one_step(run, batch, rate)

    monkeypatch.setattr(Run, "_one_step", slow)
    seen: list[TrainingStatus] = []
    train([_scene(0)[1]], _recipe(), output=tmp_path, steps=13, device="cpu", progress=seen.append)
    first = next(status for status in seen if not status.stage)
    assert 1.0 <= first.seconds_left < 3.0  # ten steps of 0.1 s and a little; with the first step it would be 7 s
    assert 0 < first.images_per_second <= 10 * _recipe().training.batch


def test_minutes_end_a_run_and_fit_the_schedule(tmp_path: Path) -> None:
    model = train([_scene(0)[1]], _recipe(), output=tmp_path, minutes=0.05, device="cpu")
    assert model.card.minutes == pytest.approx(0.05, abs=0.03)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert (
        float(rows[-1]["learning_rate"]) < 0.2 * 1e-2
    )  # the cosine came down although the recipe's 200 steps mean nothing here


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(UnnoiseError, match=r"not finite any more at step \d+\. Begin again, with a lower rate .*\.$"):
        train([_scene(0)[1]], _recipe(learning_rate=1e30), output=tmp_path, steps=40, device="cpu")
    assert not (tmp_path / "checkpoint.pt").exists()


def test_what_is_saved_while_the_loss_goes_is_sound(tmp_path: Path) -> None:
    """Checkpoints are written between two rows of the log, too."""
    with pytest.raises(
        UnnoiseError, match=r"The last good checkpoint is .*checkpoint\.pt of step \d+; go on from it by --resume"
    ):
        train([_scene(0)[1]], _recipe(learning_rate=1e30), output=tmp_path, steps=40, device="cpu", checkpoint_seconds=0)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] >= 1
    assert all(value.isfinite().all() for value in state["network"].values())


def test_a_run_goes_on_at_a_lower_rate_after_a_loss_that_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the sentence says, and from the checkpoint that it names."""
    one_step = Run._one_step

    def failing(run: Run, batch: Tensor, rate: float) -> Tensor:
        loss = one_step(run, batch, rate)
        return loss * float("nan") if run.step == 7 and rate > 1e-3 else loss

    monkeypatch.setattr(Run, "_one_step", failing)
    arguments: dict[str, Any] = {"output": tmp_path, "steps": 12, "device": "cpu", "checkpoint_seconds": 0, "compare": False}
    with pytest.raises(UnnoiseError, match=r"loss is not finite any more at step 8\. .* of step 7; go on from it by --resume"):
        train([_scene(0)[1]], _recipe(), **arguments)
    model = train([_scene(0)[1]], _recipe(learning_rate=1e-4), resume=True, **arguments)
    assert model.card.steps == 12


def test_weights_that_the_last_step_spoiled_are_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of a step is that of the weights before it."""
    one_step = Run._one_step

    def spoiling(run: Run, batch: Tensor, rate: float) -> Tensor:
        loss = one_step(run, batch, rate)
        if run.step == 4:
            next(run.network.parameters()).data.fill_(float("inf"))
        return loss

    monkeypatch.setattr(Run, "_one_step", spoiling)
    with pytest.raises(UnnoiseError, match="weights are not finite any more"):
        train([_scene(0)[1]], _recipe(), output=tmp_path, steps=5, device="cpu")
    assert not (tmp_path / "model.safetensors").exists()


def test_progress_comes_every_second_or_so_though_steps_are_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    seen: list[TrainingStatus] = []
    train([_scene(0)[1]], _recipe(), output=tmp_path, steps=8, device="cpu", progress=seen.append, compare=False)
    assert [status.step for status in seen if not status.stage] == [3, 4, 5, 6, 7, 8]


def test_start_from_a_model(tmp_path: Path) -> None:
    first = train([_scene(0)[1]], _recipe(), output=tmp_path / "first", steps=30, device="cpu")
    second = train([_scene(0)[1]], _recipe(learning_rate=1e-9), output=tmp_path / "second", steps=1, device="cpu", start=first)
    for key, value in first.network.state_dict().items():
        assert torch.allclose(value, second.network.state_dict()[key], atol=1e-6)


def test_a_model_with_another_network_is_no_beginning(tmp_path: Path) -> None:
    other = Model(denoisers.create("dncnn", features=2, layers=3), _recipe())
    with pytest.raises(UsageError, match=r"another network \(dncnn, .*set denoiser.name"):
        train([_scene(0)[1]], _recipe(), output=tmp_path / "run", steps=1, device="cpu", start=other)
