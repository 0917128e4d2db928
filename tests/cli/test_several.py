"""Commands that take several pictures or models, and options under their old names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from unnoise import images, recipes
from unnoise.cli import main
from unnoise.images import Picture
from unnoise.models.model import fresh


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models, and pairs of pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    fields = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        fresh(recipes.validate(fields, "tiny")).save(tmp_path / f"{name}.safetensors")
    for number, kind in enumerate(("noisy", "clean")):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            pixels = np.clip(np.random.default_rng(number).normal(120, 12, (48, 40, 3)), 0, 255).astype(np.uint8)
            images.write(tmp_path / "pairs" / kind / name, Picture(pixels))
    return tmp_path


@pytest.fixture
def unnoise(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["unnoise", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return Answer(int(exit_.value.code or 0), *capfd.readouterr())

    return call


def test_evaluate_compares_models(unnoise, folder: Path) -> None:  # type: ignore[no-untyped-def]
    models = ("--model", "one.safetensors", "--model", "two.safetensors")
    answer = unnoise("evaluate", *models, "--data", "pairs:pairs", "--json", "both.json", "--no-refine")
    assert answer.status == 0, answer.err
    one, two = json.loads((folder / "both.json").read_text())
    assert (one["model"], two["model"]) == ("one.safetensors", "two.safetensors")
    assert one["restored"] != two["restored"]
    lines = answer.out.splitlines()
    for result in (one, two):
        (line,) = [line for line in lines if result["model"] in line]
        assert f"{result['restored']['psnr']:.2f}" in line
    assert len([line for line in lines if "noisy input" in line]) == 1
    assert unnoise("evaluate", *models[:2], "--data", "pairs:pairs", "--json", "one.json", "--no-refine").status == 0
    assert json.loads((folder / "one.json").read_text())["restored"] == one["restored"]


def test_inspect_takes_folders_and_goes_on_past_bad_files(unnoise, folder: Path) -> None:  # type: ignore[no-untyped-def]
    answer = unnoise("inspect", "pairs", "-r")
    assert answer.status == 0
    for name in ("noisy/a.png", "noisy/b.png", "clean/a.png", "clean/b.png"):
        assert len([line for line in answer.out.splitlines() if f"pairs/{name}" in line and "40×48" in line]) == 1
    (folder / "pairs" / "noisy" / "b.png").write_bytes(b"no picture")
    answer = unnoise("inspect", "pairs/noisy", "pairs/clean/a.png", "--json")
    assert answer.status == 1
    assert [entry["name"] for entry in json.loads(answer.out)] == ["pairs/noisy/a.png", "pairs/clean/a.png"]
    (line,) = answer.err.splitlines()
    assert "noisy/b.png" in line
    answer = unnoise("inspect", "pairs/clean", "--plot", "x.png")
    assert (answer.status, answer.out) == (2, "")
    assert not (folder / "x.png").exists()


def test_a_folder_without_o_does_what_was_added_and_says_so(unnoise, folder: Path) -> None:  # type: ignore[no-untyped-def]
    call = ("denoise", "pairs/noisy", "--model", "one.safetensors", "--no-refine")
    answer = unnoise(*call)
    assert (answer.status, answer.err) == (0, "2 written.\n")
    first = (folder / "pairs" / "noisy" / "a_denoised.png").stat().st_mtime_ns
    images.write(folder / "pairs" / "noisy" / "c.png", Picture(np.full((9, 9), 40, np.uint8)))
    answer = unnoise(*call)
    assert (answer.status, answer.out) == (0, "pairs/noisy/c_denoised.png\n")
    assert answer.err == "1 written, 2 done before and unchanged.\n"
    assert (folder / "pairs" / "noisy" / "a_denoised.png").stat().st_mtime_ns == first
    answer = unnoise("denoise", "pairs/noisy/a.png", "pairs/noisy/b.png", "--model", "two.safetensors", "--no-refine")
    assert answer.err == "2 written.\n"  # by another model


def test_a_report_prints_its_verdict(unnoise, folder: Path) -> None:  # type: ignore[no-untyped-def]
    answer = unnoise("denoise", "pairs/noisy/a.png", "-o", "out", "--model", "one.safetensors", "--no-refine", "--report")
    assert answer.status == 0
    (line,) = [line for line in answer.err.splitlines() if line.startswith("a.png: ")]
    gain = json.loads((folder / "out" / "a.report.json").read_text())["gain"]
    assert f"gain {gain:.1f}" in line


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (("--bias-correction", "srgb"), ("--light", "srgb")),
        (("--normalization", "picture"), ("--levels", "picture")),
        (("--set", "bias_correction=srgb"), ("--set", "light=srgb")),
        (("--set", "normalization=picture"), ("--set", "levels=picture")),
    ],
)
def test_old_names_of_options(unnoise, folder: Path, new: tuple[str, str], old: tuple[str, str]) -> None:  # type: ignore[no-untyped-def]
    call = ("denoise", "pairs/noisy/a.png", "--model", "one.safetensors", "--no-refine")
    assert unnoise(*call, "-o", "new.png", *new).status == 0
    answer = unnoise(*call, "-o", "old.png", *old)
    assert (answer.status, answer.err) == (0, "")
    assert (folder / "old.png").read_bytes() == (folder / "new.png").read_bytes()
    assert unnoise(*call, "-o", "plain.png").status == 0
    assert (folder / "old.png").read_bytes() != (folder / "plain.png").read_bytes()
    answer = unnoise(*call, "-o", "both.png", *new, *old)
    assert answer.status == 2
    assert ("stands there twice" if new[0] == "--set" else f"{old[0]} is the old name of {new[0]}") in answer.err


def test_an_output_that_cannot_be_written_is_an_error(unnoise, folder: Path) -> None:  # type: ignore[no-untyped-def]
    for out in ("x.pcx", "x.dng"):
        answer = unnoise("denoise", "pairs/noisy/a.png", "-o", out, "--model", "one.safetensors")
        assert answer.status == 2
        sentence = "DNG is made of nothing else" if out.endswith(".dng") else f"cannot be written as '{out}'"
        assert sentence in answer.err
        assert not (folder / out).exists()


def test_recipes_tell_purpose_and_cost(unnoise) -> None:  # type: ignore[no-untyped-def]
    out = unnoise("recipes").out
    for name in recipes.names():
        summary = recipes.summary(name)
        assert summary.purpose
        assert summary.cost
        (line,) = [line for line in out.splitlines() if line.startswith(f"│ {name} ")]
        assert summary.purpose in line
        assert summary.cost in line
    out = unnoise("recipes", "ap-bsn").out
    assert "Lee, Son and Lee" in " ".join(out.split())
    assert "at-bsn" not in out
    assert unnoise("recipes", "nothing").status == 2
