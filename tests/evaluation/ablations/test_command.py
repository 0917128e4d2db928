"""`unnoise benchmark ablation` as a user calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from unnoise import images
from unnoise.cli import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["unnoise", "benchmark", "ablation", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capfd.readouterr()
        return Answer(int(exit_.value.code or 0), captured.out, captured.err)

    return call


def test_a_table_a_csv_file_and_a_plot(tiny: None, ablation: Callable[..., Answer], pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--data", f"pairs:{pictures}", "--limit", 1, "--steps", 1, "--out", out, "--device", "cpu")
    answer = ablation("loss", f"{pictures}/noisy/[0-3].png", *options)
    assert answer.status == 0, answer.err
    for text in ("start", "L_m", "L_t", "noisy", "36.60", "36.71", "0.8519", "R³: here no, in the paper no"):
        assert text in answer.out
    assert {path.name for path in out.iterdir()} == {"ablation.json", "start", "L_m", "L_t", "loss.csv", "loss.png"}
    assert min(images.read(out / "loss.png").pixels.shape[:2]) > 300
    again = ablation("loss", f"{pictures}/noisy/[0-3].png", *options, "--resume")
    assert (again.status, again.out) == (0, answer.out)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("colour", "PICTURES", "--data", "pairs:DIR"), "'colour' is not one of 'identity'"),
        (("loss", "nowhere.png", "--data", "pairs:DIR"), "no file or folder nowhere.png"),
        (("loss", "PICTURES", "--data", "pears:DIR"), "no data set named 'pears'"),
        (("loss", "PICTURES", "--data", "pairs:DIR", "--limit", "0"), "limit 0 has nothing to do"),
        (("loss", "PICTURES", "--data", "pairs:DIR", "--steps", "0"), "steps 0 has nothing to do"),
        (("loss", "PICTURES", "--data", "pairs:DIR", "--resume"), "no ablation to resume"),
    ],
)
def test_bad_use_is_one_sentence(
    tiny: None,
    ablation: Callable[..., Answer],
    pictures: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    given = [text.replace("PICTURES", f"{pictures}/noisy").replace("DIR", str(pictures)) for text in arguments]
    answer = ablation(*given, "--out", tmp_path / "out")
    assert answer.status == 2
    assert sentence in answer.err.splitlines()[-1]
    assert answer.err.splitlines()[-1].startswith("unnoise: ")
    assert "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()
