"""The examples of CONTRIBUTING.md, put where it says, work from the command line that it shows."""

from __future__ import annotations

import json
import re
import shlex
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

import unnoise
from unnoise import denoisers, images, schemes
from unnoise.cli import app
from unnoise.evaluation import datasets

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SHORT_RUN = ["--steps", "2", "--device", "cpu", "--set", "training.crop=48"]


def _section(title: str) -> str:
    return re.split(r"^## ", PAGE.split(f"## {title}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def _block(section: str, language: str) -> str:
    return textwrap.dedent(re.findall(rf"^ *```{language}\n(.*?)^ *```", section, flags=re.MULTILINE | re.DOTALL)[0])


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, ModuleType], list[str]]:
    """Put a section's module into a package, with the line that the section adds to its table; gives back the section's command."""

    def install(title: str, package: ModuleType) -> list[str]:
        section = _section(title)
        module = ModuleType(f"{package.__name__}.mine")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(_block(section, "python"), f"CONTRIBUTING.md, {title}", "exec"), module.__dict__)
        (line,) = re.findall(r"`\"(\w+)\": \"([\w:]+)\"`", section)
        registry = package.names.__self__
        monkeypatch.setattr(registry, "table", {**registry.table, line[0]: line[1]})
        return shlex.split(_block(section, "sh"))[1:]

    return install


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `noisy/` of the examples, with one picture."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "noisy"
    folder.mkdir()
    images.write(folder / "a.png", images.Picture(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)))
    return folder


def _run(command: list[str]) -> str:
    outcome = CliRunner().invoke(app, command, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_the_example_denoiser_trains_and_restores(install: Callable[..., list[str]], noisy: Path) -> None:
    _run(install("A new denoiser", denoisers) + SHORT_RUN)
    model = unnoise.load("runs/mine")
    assert type(model.network).__module__ == "unnoise.denoisers.mine"
    picture = np.random.default_rng(1).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    assert model.denoise(picture).shape == picture.shape


def test_the_example_scheme_trains_and_restores(install: Callable[..., list[str]], noisy: Path) -> None:
    _run(install("A new scheme", schemes) + SHORT_RUN)
    model = unnoise.load("runs/mine")
    assert type(model.recipe.scheme).__module__ == "unnoise.schemes.mine"
    picture = np.random.default_rng(1).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    assert model.denoise(picture).shape == picture.shape


def test_the_example_data_set_is_scored(install: Callable[..., list[str]], tmp_path: Path) -> None:
    command = install("A new data set", datasets)
    generator = np.random.default_rng(0)
    for end in ("noisy", "clean"):
        images.write(tmp_path / f"a_{end}.png", images.Picture(generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)))
    _run(
        [part.replace("DIR", str(tmp_path)).replace("default", "fast") for part in command]
        + ["--json", str(tmp_path / "scores.json")]
    )
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert "mine:" in json.dumps(scores)
