"""Running an ablation: what is done is not done again, what was killed goes on, and different runs do not mix."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation import ablations
from unnoise.evaluation.ablations import report, runner
from unnoise.evaluation.ablations.runner import AblationSettings, run
from unnoise.models.model import Model
from unnoise.training.options import TrainingStatus

pytestmark = pytest.mark.usefixtures("tiny")


def _settings(pictures: Path, name: str, **fields: Any) -> AblationSettings:
    given = {"steps": 4, "limit": 2, "refine": False} | fields
    return AblationSettings(ablation=name, pictures=[str(pictures / "noisy")], data=f"pairs:{pictures}", **given)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return Model.load(folder / "model.safetensors").network.state_dict()


@contextmanager
def _killing(step: int) -> Iterator[Callable[[TrainingStatus], None]]:
    """What a user's Ctrl-C does to the training, once the log was written at or after `step`."""
    yield lambda status: os.kill(os.getpid(), signal.SIGTERM) if status.step >= step else None


def test_a_killed_ablation_goes_on(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(pictures, "loss", steps=44)
    alone = run(settings, tmp_path / "alone", device="cpu")

    calls = 0

    @contextmanager
    def second_is_killed() -> Iterator[Callable[[TrainingStatus], None]]:
        nonlocal calls
        calls += 1
        with _killing(20 if calls == 2 else 10**9) as progress:
            yield progress

    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "killed", device="cpu", watch=second_is_killed)
    assert (tmp_path / "killed" / "start" / "scores.json").is_file()
    assert torch.load(tmp_path / "killed" / "L_m" / "checkpoint.pt", weights_only=True)["step"] == 20
    assert not (tmp_path / "killed" / "L_m" / "scores.json").exists()

    trained: list[tuple[str, bool]] = []
    train = runner.train

    def watched(*arguments: Any, **options: Any) -> Model:
        trained.append((options["output"].name, options["resume"]))
        return train(*arguments, **options)

    monkeypatch.setattr(runner, "train", watched)
    resumed = run(settings, tmp_path / "killed", device="cpu", resume=True)
    assert trained == [("L_m", True), ("L_t", False)]
    for variant in ("start", "L_m", "L_t"):
        one, other = _weights(tmp_path / "alone" / variant), _weights(tmp_path / "killed" / variant)
        assert all(torch.equal(one[key], other[key]) for key in one), variant
    assert [(row.variant, row.steps, row.psnr) for row in resumed] == [(row.variant, row.steps, row.psnr) for row in alone]
    assert [row.steps for row in alone] == [44, 22, 22]  # as many further steps for either loss
    assert len({row.psnr for row in alone}) == 3


def test_applied_in_other_ways_a_model_is_trained_once(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    train = runner.train
    monkeypatch.setattr(runner, "train", lambda *a, **options: trained.append(options["output"].name) or train(*a, **options))
    rows = run(_settings(pictures, "partitions"), tmp_path / "out", device="cpu")
    assert trained == ["1"]
    assert [row.variant for row in rows] == ["1", "2", "4", "8", "16"]
    assert len({row.psnr for row in rows}) == 5
    again = run(_settings(pictures, "partitions"), tmp_path / "out", device="cpu", resume=True)
    assert again == rows
    assert trained == ["1"]


def test_different_runs_do_not_mix(pictures: Path, tmp_path: Path) -> None:
    settings, out = _settings(pictures, "partitions", steps=1), tmp_path / "out"
    with pytest.raises(UsageError, match="holds no ablation to resume; leave out --resume"):
        run(settings, out, resume=True)
    run(settings, out, device="cpu")
    with pytest.raises(UsageError, match="already holds an ablation; add --resume"):
        run(settings, out)
    for field, value in {"steps": 5, "seed": 1, "limit": None, "full": True, "refine": True}.items():
        with pytest.raises(UsageError, match=f"was begun with {field} "):
            run(settings.model_copy(update={field: value}), out, resume=True)
    next(out.glob("*/scores.json")).write_text("[" * 9999)
    with pytest.raises(UnnoiseError, match=r"scores\.json is damaged; remove it"):
        run(settings, out, resume=True, device="cpu")
    (out / "ablation.json").write_text("{")
    with pytest.raises(UnnoiseError, match=r"ablation\.json is damaged; delete"):
        run(settings, out, resume=True)


def test_what_cannot_be_scored_is_not_trained(pictures: Path, tmp_path: Path) -> None:
    settings = _settings(pictures, "loss").model_copy(update={"data": f"folder:{pictures / 'noisy'}"})
    with pytest.raises(UsageError, match="no clean pictures to score by"):
        run(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_has_a_line_for_each_variant(pictures: Path, tmp_path: Path) -> None:
    ablation = ablations.lookup("mask-ratio")
    rows = run(_settings(pictures, "mask-ratio", steps=1, limit=1), tmp_path / "out", device="cpu")
    report.write_csv(rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["variant"] for line in lines] == ["75", "50", "25", "12.5", "6.25"]
    assert [float(line["paper_psnr"]) for line in lines] == [34.12, 37.93, 37.90, 37.90, 35.83]
    assert [float(line["psnr"]) for line in lines] == [pytest.approx(row.psnr, abs=1e-4) for row in rows]
    assert {line["refined"] for line in lines} == {"False"}
    assert report.table(ablation, rows).row_count == len(rows) + 1
    here, paper = report.plot(ablation, rows).axes
    assert list(here.lines[0].get_ydata()) == [row.psnr for row in rows]
    assert list(paper.lines[0].get_ydata()) == [row.paper_psnr for row in rows]
