"""`unnoise train` as a user calls it: the recipe that it chooses, how long it says it takes, and where Ctrl-C leaves it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from unnoise import images
from unnoise.cli import main
from unnoise.cli.progress import training_bar
from unnoise.models import shipped
from unnoise.training import checkpoints
from unnoise.training import train as training
from unnoise.training.options import TrainingStatus

SMALL = [f"--set={change}" for change in ("denoiser.features=4", "denoiser.blocks=1", "denoiser.groups=1", "training.crop=24")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pixels = np.clip(np.random.default_rng(0).normal(120, 15, (64, 64, 3)), 0, 255).astype(np.uint8)
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
    status, error = _call(monkeypatch, capfd, "--steps", "6", *SMALL)
    assert status == 0, error
    assert "calls for the recipe tm-bsn-quick" in error
    assert "The whole run takes about 1 minute (6 steps" in error
    status, error = _call(monkeypatch, capfd, "--steps", "8", "--resume")
    assert status == 0, error
    assert "Going on from step 6" in error
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
