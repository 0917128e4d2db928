"""Choosing the best state of a run by noisy pictures: what is held out, which state becomes the model, and resuming."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command_line import call
from unnoise import images, load, train
from unnoise.errors import UnnoiseError, UsageError
from unnoise.quality.reference_free import Criteria
from unnoise.training import selection
from unnoise.training.image_pool import ImagePool
from unnoise.training.selection import NAMES, Selection, hold_out

TINY = {"denoiser": {"name": "dncnn", "features": 4, "layers": 3}, "training.crop": 16, "training.batch": 1}


def noisy_pictures(count: int = 9) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.normal(90 + 10 * number, 12, (72, 80, 3)).clip(0, 255).astype(np.uint8) for number in range(count)]


def run(output: Path, **options: Any) -> Any:
    fields: dict[str, Any] = {"steps": 24, "select": "blind-spot", "device": "cpu", "compare": False, "overrides": TINY}
    return train(noisy_pictures(), "noise2self-quick", output=output, **fields | options)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The hidden error falls until the fifth check and rises then. Gives the numbers of the checks."""
    checks: list[int] = []

    def judge(*_: Any) -> Criteria:
        checks.append(len(checks))
        return Criteria(abs(len(checks) - 5), 0.0, 0.0, float("nan"), 0.0)

    monkeypatch.setattr(selection, "reference_free", judge)
    return checks


def rows(output: Path) -> Iterator[dict[str, str]]:
    with (output / "criteria.csv").open() as file:
        yield from csv.DictReader(file)


def weights(model: Any) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in model.network.state_dict().values()])


def test_the_best_state_is_the_model(tmp_path: Path, scripted: list[int]) -> None:
    told: list[str] = []
    model = run(tmp_path / "a", on_message=told.append)
    assert [int(row["step"]) for row in rows(tmp_path / "a")] == list(range(2, 25, 2))  # twelve checks, one held-out picture
    assert any("step 10 is the model: it is the best of 12 by blind-spot" in sentence for sentence in told)
    same = load(tmp_path / "a" / "model.safetensors")
    assert torch.equal(weights(model), weights(same))
    assert "step 10 was selected by blind-spot" in same.card.description
    last = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)
    assert last["step"] == 24
    assert not torch.equal(weights(model), torch.cat([value.flatten().float() for value in last["average"].values()]))


def test_a_resumed_run_selects_the_same(tmp_path: Path, scripted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole")
    scripted.clear()
    check = Selection.check

    def interrupted(self: Selection, step: int, model: Any) -> None:
        check(self, step, model)
        if step == 14:
            raise KeyboardInterrupt

    monkeypatch.setattr(Selection, "check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", checkpoint_seconds=0)
    monkeypatch.setattr(Selection, "check", check)
    del scripted[6:]  # the check of step 14 is later than the checkpoint, so it is made again
    again = run(tmp_path / "cut", resume=True)
    assert list(rows(tmp_path / "cut")) == list(rows(tmp_path / "whole"))
    assert torch.equal(weights(again), weights(whole))


def test_nothing_to_judge_by_gives_the_last_state(tmp_path: Path, scripted: list[int]) -> None:
    told: list[str] = []
    run(tmp_path / "a", select="sure", on_message=told.append)  # which is NaN
    assert any("No state could be judged by sure, so the last one is the model." in sentence for sentence in told)


def test_held_out_pictures_are_not_learned_from() -> None:
    pool = ImagePool([np.full((64 + number, 70, 1), number, np.uint8) for number in range(40)])
    rest, middles = hold_out(pool)
    values = {int(picture[0, 0, 0]) for picture in rest.pictures}
    held = {round(255 * float(middle.mean())) for middle in middles}
    assert len(middles) == 4
    assert values | held == set(range(40))
    assert not values & held
    few = ImagePool([np.zeros((64, 64, 1), np.uint8)] * 3)
    assert hold_out(few)[0] is few
    assert len(hold_out(few)[1]) == 1
    assert hold_out(ImagePool([np.zeros((20, 20, 1), np.uint8)] * 9))[1] == []


def test_the_middle_of_a_large_picture_is_judged() -> None:
    picture = np.zeros((300, 250, 1), np.uint8)
    picture[54:246, 29:221] = 200
    assert float(hold_out(ImagePool([picture]))[1][0].min()) == pytest.approx(200 / 255)


def test_wrong_wishes_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="Nothing can be selected by 'psnr'; choose one of auto, blind-spot"):
        run(tmp_path / "a", select="psnr")
    pictures = noisy_pictures(2)
    with pytest.raises(UsageError, match="learns from pairs, and states are selected by noisy pictures alone"):
        train(pictures, "noise2noise-quick", targets=pictures, output=tmp_path / "b", steps=1, select="auto", overrides=TINY)
    images.write(tmp_path / "n.png", images.Picture(pictures[0]))
    command = (
        "train",
        tmp_path / "n.png",
        "--recipe",
        "noise2self-quick",
        "--steps",
        1,
        "--out",
        tmp_path / "c",
        "--select",
        "best",
    )
    answer = call(monkeypatch, capfd, *command)
    assert answer.status == 2
    assert "Nothing can be selected by 'best'" in answer.err


def test_a_damaged_file_of_criteria_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "criteria.csv").write_text("step,blind-spot\n2,x\n")
    with pytest.raises(UnnoiseError, match=r"criteria\.csv is damaged; remove it"):
        Selection(tmp_path, "sure", [], step=5)
    assert Selection(tmp_path, "sure", []).rows == {}  # a new run reads nothing


def test_long_runs_note_the_criteria_without_selecting(tmp_path: Path) -> None:
    run(tmp_path / "a", select=None, steps=2, preview_seconds=0)
    (first, *_) = rows(tmp_path / "a")
    assert set(first) == {"step", *NAMES}
    assert 0 < float(first["blind-spot"]) < 0.1
