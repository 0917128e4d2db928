"""Comparisons: right figures, kept cells, honest tests, and tables that other programs read."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from command_line import call
from unnoise import images, load
from unnoise.evaluation import evaluate
from unnoise.evaluation.comparison import picture_journal, runner
from unnoise.evaluation.comparison.picture_journal import spread_order
from unnoise.evaluation.comparison.runner import compare
from unnoise.evaluation.comparison.settings import Settings
from unnoise.evaluation.comparison.statistics import mean_interval, paired_p_value
from unnoise.evaluation.comparison.table import as_latex, as_markdown, rows_of
from unnoise.evaluation.datasets import DataSet
from unnoise.evaluation.protocols import Score
from unnoise.evaluation.scoring import ImageScore

VALUES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 3)), min_size=2, max_size=10)


def pairs(folder: Path, count: int = 3) -> str:
    random = np.random.default_rng(0)
    for number in range(count):
        clean = np.full((24, 24, 3), 90 + 10 * number, np.uint8)
        noisy = (clean + random.normal(0, 12, clean.shape)).round().clip(0, 255).astype(np.uint8)
        for kind, pixels in (("noisy", noisy), ("clean", clean)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            images.write(folder / kind / f"{number}.png", images.Picture(pixels), overwrite=True)
    return f"pairs:{folder}"


def test_each_row_has_the_scores_of_evaluate(tmp_path: Path) -> None:
    data = pairs(tmp_path / "a_b")
    rows = rows_of(compare(["fast", "non-local-means"], [data], tmp_path / "out"))
    assert [row.model for row in rows][:1] == ["noisy input"]
    for row in rows[1:]:
        scores = evaluate(load(row.model), data)
        assert row.psnr.mean == pytest.approx(scores.restored.psnr)
        assert row.gain == pytest.approx(scores.restored.psnr - scores.noisy.psnr)
        assert row.psnr.low <= row.psnr.mean <= row.psnr.high
    assert rows[1].psnr.mean >= rows[2].psnr.mean
    assert (rows[1].p_value, rows[2].p_value) == (None, 0.25)  # three pictures: one in 2² at best


def test_finished_pictures_and_cells_are_kept_and_changed_ones_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [pairs(tmp_path / "a", count=2), pairs(tmp_path / "b", count=2)]
    made: list[str] = []

    def counted(model: object, pictures: DataSet, *rest: object, **options: object) -> object:
        made.append(f"{options['name']} {pictures.name[-1]}{pictures.entries[0].name}")
        if len(made) == 4:
            raise KeyboardInterrupt
        return evaluate(model, pictures, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(picture_journal, "evaluate", counted)
    methods = ["fast", "wavelets"]
    with pytest.raises(KeyboardInterrupt):
        compare(methods, data, tmp_path / "out")
    assert made == ["fast a0", "fast a1", "wavelets a0", "wavelets a1"]
    again = compare(methods, data, tmp_path / "out")
    assert made[4:] == ["wavelets a1", "fast b0", "fast b1", "wavelets b0", "wavelets b1"]
    whole = evaluate(load("fast"), data[0], name="fast", refine=None, ensemble=None, precision=None)
    found = again.cells["fast", data[0]].scores
    assert [image.restored for image in found.images] == [image.restored for image in whole.images]
    assert (found.data, found.protocol, found.options) == (whole.data, whole.protocol, whole.options)
    made.clear()
    made += [""] * 4
    pairs(tmp_path / "b", count=3)  # the data of two cells changes
    compare(methods, data, tmp_path / "out")
    assert [name[:-1] for name in made[4:]] == ["fast b"] * 3 + ["wavelets b"] * 3
    compare(["fast"], data[:1], tmp_path / "out", Settings(protocol="ap-bsn"))
    assert made[10:] == ["fast a0", "fast a1"]
    assert [path.suffix for path in (tmp_path / "out" / "cells").iterdir()] == [".json"] * 4


def test_the_command_writes_all_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = pairs(tmp_path / "a_b", count=2)
    arguments = (
        "benchmark",
        "compare",
        "--model",
        "fast",
        "--model",
        "non-local-means",
        "--data",
        data,
        "--out",
        tmp_path / "out",
    )
    status, out, err = call(monkeypatch, capfd, *arguments)
    assert status == 0, err
    assert "fast" in out
    assert "26.44–26.57" in out  # numbers are not broken over lines
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert {row["model"] for row in rows} == {"noisy input", "fast", "non-local-means"}
    assert all(float(row["PSNR dB"]) > 20 for row in rows)
    lines = (tmp_path / "out" / "comparison.md").read_text().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    tex = (tmp_path / "out" / "comparison.tex").read_text()
    assert tex.count(r"\textbf") == 1
    assert r"a\_b" in tex
    status, _, err = call(monkeypatch, capfd, *arguments)
    assert err.count(": kept") == 2


def test_a_copy_of_the_data_keeps_the_cells_and_other_content_does_not(tmp_path: Path) -> None:
    data, kept = pairs(tmp_path / "a", count=2), []
    clean = tmp_path / "a" / "clean" / "1.png"
    for change in (
        lambda: None,
        lambda: os.utime(clean, (1, 1)),
        lambda: clean.write_bytes((clean.parent / "0.png").read_bytes()),
    ):
        change()
        compare(["wavelets"], [data], tmp_path / "out", on_cell=lambda model, spec, same: kept.append(same))
    assert kept == [False, True, False]


@given(st.integers(0, 300), st.data())
def test_pictures_that_are_done_lie_evenly_at_any_moment(count: int, drawn: st.DataObject) -> None:
    order = spread_order(count)
    assert sorted(order) == list(range(count))
    done = drawn.draw(st.integers(1, count)) if count else 0
    places = [-1, *sorted(order[:done]), count]
    assert max(np.diff(places)) <= 4 * count / (done + 1) + 2  # twice an even step, to the next power of two


@pytest.mark.parametrize(("models", "sets"), [(["fast", "fast"], 1), (["fast"], 0), (["nonsense"], 1)])
def test_wrong_calls_are_refused_before_anything_is_made(models: list[str], sets: int, tmp_path: Path) -> None:
    data = [pairs(tmp_path / "a")][:sets]
    with pytest.raises(ValueError, match=r"twice|needs a model|no model"):
        compare(models, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [json.dumps({"scores": 1}).encode(), b"{\xff}", b"[" * 99_999])
def test_a_damaged_cell_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    data = pairs(tmp_path / "a", count=2)
    compare(["non-local-means"], [data], tmp_path / "out")
    (cell,) = (tmp_path / "out" / "cells").iterdir()
    cell.write_bytes(content)
    with pytest.raises(runner.UnnoiseError, match="is damaged; remove it"):
        compare(["non-local-means"], [data], tmp_path / "out")


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[" * 99_999, b"{}", b'{"name": 1}', b"null"], ids=range(5))
def test_damaged_lines_of_a_journal_are_dropped(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    score = ImageScore(name="a", noisy=Score(30.0, 0.7), restored=Score(34.0, 0.9), seconds=0.5)
    picture_journal.PictureJournal(path, "x").add(score)
    whole = path.read_bytes()
    path.write_bytes(whole + damage + b"\n")
    assert picture_journal.PictureJournal(path, "x").scores == {"a": score}
    assert path.read_bytes() == whole
    path.write_bytes(damage + b"\n" + whole)
    assert picture_journal.PictureJournal(path, "x").scores == {}


@given(VALUES)
def test_the_paired_test_is_that_of_scipy(differences: list[float]) -> None:
    zeros = np.zeros(len(differences))
    expected = stats.permutation_test(
        (np.array(differences), zeros), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", vectorized=True
    ).pvalue
    assert paired_p_value(differences, zeros.tolist()) == pytest.approx(expected, abs=2 / 2 ** len(differences) + 1e-9)


def test_many_pictures_are_tested_by_random_signs() -> None:
    random = np.random.default_rng(0)
    one = random.normal(0, 1, 60)
    assert paired_p_value(one.tolist(), (one + random.normal(0, 1, 60)).tolist()) > 0.05
    assert paired_p_value(one.tolist(), (one - 0.5 + random.normal(0, 0.5, 60)).tolist()) < 0.001


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    found = [mean_interval(random.normal(7, 2, 40).tolist()) for _ in range(150)]
    assert 0.88 < np.mean([each.low < 7 < each.high for each in found]) <= 1
    expected = 2 * 1.96 * 2 / np.sqrt(40)
    assert np.mean([each.high - each.low for each in found]) == pytest.approx(expected, rel=0.1)


def test_an_exact_picture_has_no_interval() -> None:
    assert np.isnan(mean_interval([float("inf"), 30.0]).low)
    assert np.isnan(paired_p_value([float("inf"), 30.0], [30.0, 30.0]))
    assert as_markdown([]).count("\n") == 2
    assert as_latex([]).startswith(r"\begin{tabular}")
