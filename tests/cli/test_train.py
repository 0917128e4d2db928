"""`unnoise train` as a user calls it: the recipe that it chooses, how long it says it takes, and where Ctrl-C leaves it."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from unnoise import images
from unnoise.cli import main
from unnoise.cli.progress import training_bar
from unnoise.errors import UnnoiseWarning
from unnoise.models import shipped
from unnoise.training import checkpoints
from unnoise.training import train as training
from unnoise.training.options import TrainingStatus

SMALL = [f"--set={change}" for change in ("denoiser.features=4", "denoiser.blocks=1", "denoiser.groups=1", "training.crop=24")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ramp = np.linspace(30, 220, 128)[None, :, None]
    pixels = np.clip(np.random.default_rng(0).normal(ramp, 15, (128, 128, 3)), 0, 255).astype(np.uint8)
    images.write(tmp_path / "a.png", images.Picture(pixels))
    return tmp_path


def _call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["unnoise", "train", "a.png", "--out", "run", "--device", "cpu", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    return int(exit_.value.code or 0), capfd.readouterr().err


def test_the_pictures_choose_the_recipe_and_a_run_goes_on_by_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, error = _call(monkeypatch, capfd, "--steps", "6", "--accept", *SMALL)
    assert status == 0, error
    assert "calls for the recipe tm-bsn-quick" in error
    assert "begins with random weights" in error  # the network was changed
    assert "reading the pictures …" in error.splitlines()
    assert "The whole run takes about 1 minute (6 steps" in error
    status, error = _call(monkeypatch, capfd, "--steps", "8", "--resume", "--accept")
    assert status == 0, error
    assert "Continuing from step 6" in error
    assert "calls for" not in error
    model = shipped.load(folder / "run")
    assert (model.recipe.name, model.network.sizes["features"], model.card.steps) == ("tm-bsn-quick", 4, 8)


def test_no_loss_is_shown_before_there_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    with training_bar(tell_length=True) as progress:
        progress(TrainingStatus(4, 0.001, None, 2.0, 3600 * 24 * 3))
        progress(TrainingStatus(4000, 1.0, 0.25, 2.0, 0))
    first, second, third = capfd.readouterr().err.splitlines()
    assert first.startswith("The whole run takes about 3 days (4,000 steps, 2.0 images/s).")
    assert "loss" not in second
    assert "nan" not in second
    assert "loss 0.25" in third


def test_a_worse_model_says_so_each_time_unless_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = *SMALL, "--recipe=tm-bsn", "--start=none"  # nothing bounds what it removes
    status, error = _call(monkeypatch, capfd, "--steps", "3", *plain)
    assert status == 1
    assert "'default'" in error
    assert "--accept" in error
    with pytest.warns(UnnoiseWarning, match="worse"):
        model = shipped.load(folder / "run")
    assert "worse" in model.card.scores["its own noisy pictures, estimated"]
    status, error = _call(monkeypatch, capfd, "--steps", "3", "--resume", "--accept", *plain)
    assert status == 0, error
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shipped.load(folder / "run")


def test_the_bar_says_what_is_done_before_the_first_step(capfd: pytest.CaptureFixture[str]) -> None:
    with training_bar(tell_length=True) as progress:
        for done in range(3):
            progress(TrainingStatus.of_stage(f"reading the pictures, {done} of 3 files"))
        progress(TrainingStatus.of_stage("measuring the noise"))
        progress(TrainingStatus(4, 0.1, None, 2.0, 60))
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == ["reading the pictures, 0 of 3 files …", "measuring the noise …"]
    assert "loss" not in "".join(lines)


@pytest.mark.parametrize(("begun", "words"), [(True, "with --resume"), (False, "No step was done")])
def test_ctrl_c_says_how_to_go_on(
    begun: bool, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: Any, **options: Any) -> NoReturn:
        if begun:
            options["output"].mkdir()
            (options["output"] / checkpoints.CHECKPOINT_FILE).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stopped)
    status, error = _call(monkeypatch, capfd)
    (line,) = error.splitlines()
    assert status == 130
    assert line.startswith("unnoise: Stopped. ")
    assert words in line
