"""`unnoise inspect` as a user calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from unnoise import images
from unnoise.cli import main
from unnoise.noise import NoiseReport


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).normal(120, 10, (64, 80, 3))
    images.write(tmp_path / "a.png", images.Picture(np.clip(values, 0, 255).astype(np.uint8)))
    return tmp_path / "a.png"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["unnoise", "inspect", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code if isinstance(exit_.value.code, int) else 0


def test_prints_numbers_and_json(picture: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, picture) == 0
    out = capfd.readouterr().out
    for words in ("noise level", "80×64", "advice", "stride of PD"):
        assert words in out
    assert call(monkeypatch, picture, "--json") == 0
    report = NoiseReport.model_validate(json.loads(capfd.readouterr().out))
    assert report.level == pytest.approx(10 / 255, rel=0.15)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_draws_a_plot(picture: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    plot = picture.with_name(f"plot{suffix}")
    assert call(monkeypatch, picture, "--plot", plot) == 0
    assert plot.stat().st_size > 5000
    assert {path.name for path in picture.parent.iterdir()} == {"a.png", plot.name}


def test_draws_pictures_that_have_nothing_to_show(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write(picture.with_name("tiny.png"), images.Picture(np.zeros((3, 5), np.uint8)))
    assert call(monkeypatch, picture.with_name("tiny.png"), "--plot", picture.with_name("plot.png")) == 0


@pytest.mark.parametrize("arguments", [["absent.png"], ["a.png", "--plot", "plot.xyz"], ["a.png", "--plot", "./a.png"]])
def test_bad_calls_end_in_one_sentence(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(picture.parent)
    assert call(monkeypatch, *arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("unnoise: ")


def test_denoise_lets_inspect_choose_the_model(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = picture.with_name("b.png")
    monkeypatch.setattr(sys, "argv", ["unnoise", "denoise", str(picture), "-o", str(result), "--model", "auto", "--no-refine"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert images.read(result).pixels.std() < images.read(picture).pixels.std()
