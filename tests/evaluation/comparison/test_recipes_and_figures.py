"""Recipes with several seeds are one row with a spread; figures and grids show what the table says."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from unnoise import images, load
from unnoise.errors import UsageError
from unnoise.evaluation import evaluate
from unnoise.evaluation.comparison import plots, trained_recipes
from unnoise.evaluation.comparison.grid import busiest_crop, zoomed_grid
from unnoise.evaluation.comparison.runner import compare
from unnoise.evaluation.comparison.table import psnr_by_picture, rows_of
from unnoise.evaluation.comparison.trained_recipes import RunSettings, train_recipes
from unnoise.evaluation.datasets import open_set

TINY = """
name: tiny
source: a test
denoiser: {name: dncnn, features: 4, layers: 3}
scheme: {name: noise2self, blind: false}
training: {crop: 16, batch: 1, learning_rate: 0.01}
"""


@pytest.fixture
def data(tmp_path: Path) -> str:
    draw = np.random.default_rng(0)
    for number in range(3):
        clean = np.full((32, 32, 3), 90 + 10 * number, np.uint8)
        noisy = (clean + draw.normal(0, 12, clean.shape)).round().clip(0, 255).astype(np.uint8)
        for kind, pixels in (("noisy", noisy), ("clean", clean)):
            (tmp_path / "set" / kind).mkdir(parents=True, exist_ok=True)
            images.write(tmp_path / "set" / kind / f"{number}.png", images.Picture(pixels))
    (tmp_path / "tiny.yaml").write_text(TINY)
    return f"pairs:{tmp_path / 'set'}"


def test_a_recipe_of_two_seeds_is_one_row(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out, recipe = tmp_path / "out", tmp_path / "tiny.yaml"
    arguments = ["benchmark", "compare", "--recipe", recipe, "--train", data, "--seed", 3, "--seed", 5, "--steps", 2]
    arguments += ["--model", "wavelets", "--data", data, "--out", out, "--device", "cpu", "--plots"]
    answer = call(monkeypatch, capfd, *arguments)
    assert answer.status == 0, answer.err
    rows = {row["model"]: row for row in csv.DictReader((out / "comparison.csv").read_text().splitlines())}
    assert set(rows) == {"noisy input", "tiny", "wavelets"}
    means = [evaluate(load(out / "models" / f"tiny-seed{seed}"), data).restored.psnr for seed in (3, 5)]
    assert float(rows["tiny"]["PSNR dB"]) == pytest.approx(statistics.fmean(means), abs=0.006)
    assert float(rows["tiny"]["± seeds"]) == pytest.approx(statistics.stdev(means), abs=0.006)
    assert rows["wavelets"]["± seeds"] == ""
    assert [(out / f"pairs-{kind}.png").stat().st_size > 5000 for kind in ("time", "noise", "pictures", "crops")] == [True] * 4
    again = call(monkeypatch, capfd, *arguments)
    assert again.err.count(": kept") == 3
    assert "seed 3" not in again.err  # no run is made again
    finished = out / "models" / "tiny-seed3" / "finished.json"
    assert json.loads(finished.read_text())["steps"] == 2
    other = call(monkeypatch, capfd, *(7 if each == 2 else each for each in arguments))
    assert other.status == 2
    assert "holds a run of other settings" in other.err


@pytest.mark.parametrize("damage", [b"[" * 99_999, b"\xff", b"{"], ids=range(3))
def test_damaged_notes_of_a_finished_run(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / trained_recipes.FINISHED).write_bytes(damage)
    with pytest.raises(UsageError, match=r"finished\.json is damaged; remove the folder"):
        trained_recipes._is_finished(tmp_path, {})


def test_recipes_need_pictures(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call(
        monkeypatch, capfd, "benchmark", "compare", "--recipe", "n2v2-quick", "--data", data, "--out", tmp_path / "out"
    )
    assert answer.status == 2
    assert "give pictures with --train" in answer.err
    with pytest.raises(UsageError, match="'1' is given twice"):
        train_recipes([str(tmp_path / "tiny.yaml")], [1, 1], lambda name: ([], None), tmp_path, RunSettings(steps=1))


def test_figures_show_the_scores(data: str, tmp_path: Path) -> None:
    found = compare(["wavelets", "total-variation"], [data], tmp_path / "out")
    rows = rows_of(found)
    points = plots.picture_by_picture(found, data, "wavelets", "total-variation").axes[0].collections[0].get_offsets()
    expected = list(zip(*(psnr_by_picture(found, name, data) for name in ("wavelets", "total-variation")), strict=True))
    assert np.allclose(np.asarray(points), expected)
    gains = plots.gain_against_noise(found, data).axes[0].collections[0].get_offsets()
    first = found.cells["wavelets", data].scores.images
    assert np.allclose(np.asarray(gains), [(one.noisy.psnr, one.restored.psnr - one.noisy.psnr) for one in first])
    names = {text.get_text() for text in plots.quality_against_time(rows, data).axes[0].texts}
    assert names == {"wavelets", "total-variation"}


def test_a_grid_tells_the_psnr_of_its_crops(data: str) -> None:
    grid = zoomed_grid({"wavelets": load("wavelets")}, open_set(data), pictures=2)
    assert [axes.get_title() for axes in grid.axes[:3]] == ["noisy", "wavelets", "clean"]
    noisy = [images.read(Path(data.partition(":")[2]) / kind / "0.png").pixels.astype(float) for kind in ("noisy", "clean")]
    expected = 10 * np.log10(255**2 / np.square(noisy[0] - noisy[1]).mean())
    assert grid.axes[0].get_xlabel() == f"{expected:.2f} dB"


def test_the_busiest_crop_by_a_loop() -> None:
    picture = np.random.default_rng(1).random((15, 18)) ** 8
    padded = np.pad(picture, ((0, 1), (0, 1)), mode="edge")
    steps = (padded[1:, :-1] - picture) ** 2 + (padded[:-1, 1:] - picture) ** 2
    sums = {(i, j): steps[i : i + 6, j : j + 6].sum() for i in range(10) for j in range(13)}
    rows, columns = busiest_crop(picture, 6)
    assert (rows.start, columns.start) == max(sums, key=lambda place: sums[place])
