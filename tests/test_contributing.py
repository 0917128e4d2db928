"""What CONTRIBUTING tells a contributor to write and to run does run: its own snippets, under the names that it gives them."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from unnoise import denoisers, images, schemes
from unnoise.cli import main
from unnoise.evaluation import datasets
from unnoise.models import shipped

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
TABLES: dict[str, dict[str, str]] = {
    "unnoise.denoisers": denoisers.lookup.__self__.table,  # type: ignore[attr-defined]
    "unnoise.schemes": schemes.lookup.__self__.table,  # type: ignore[attr-defined]
    "unnoise.evaluation.datasets": datasets._SETS.table,
}


def _section(heading: str) -> str:
    return PAGE.split(f"## {heading}")[1].split("\n## ")[0]


def _block(text: str, language: str) -> str:
    (found,) = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join(line.removeprefix(found[0]) for line in found[1].splitlines())


@pytest.mark.parametrize(
    ("heading", "package", "more"),
    [
        ("A new denoiser", "unnoise.denoisers", ["--steps", "2", "--set", "training.crop=24", "--accept"]),
        ("A new scheme", "unnoise.schemes", ["--steps", "2", "--set", "training.crop=24", "--set", "denoiser.features=4"]),
        ("A new data set", "unnoise.evaluation.datasets", ["--model", "fast"]),
    ],
)
def test_one_file_and_one_line(
    heading: str,
    package: str,
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    section = _section(heading)
    module = ModuleType(f"{package}.mine")
    exec(compile(_block(section, "python"), "mine.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (line,) = re.findall(r'"mine": "(mine:\w+)"', section)
    monkeypatch.setitem(TABLES[package], "mine", line)

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for place in ("noisy/a.png", "DIR/a_noisy.png", "DIR/a_clean.png"):
        Path(place).parent.mkdir(exist_ok=True)
        images.write(Path(place), images.Picture(random.integers(60, 200, (48, 48, 3), dtype=np.uint8)))
    command = shlex.split(_block(section, "sh"))
    assert command[0] == "unnoise"
    monkeypatch.setattr(sys, "argv", [*command, *more])
    with pytest.raises(SystemExit) as exit_:
        main()
    printed = capfd.readouterr()
    assert not exit_.value.code, printed.err
    if "evaluate" in command:
        assert "mine:DIR" in printed.out.replace("\n", "")
        return
    recipe: Any = shipped.load("runs/mine").recipe
    assert "mine" in (recipe.denoiser.name, recipe.scheme.name)


def test_the_list_of_layers_is_the_one_that_is_checked() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    checked = [
        set(layer.split(" : ")) for contract in contracts if contract["type"] == "layers" for layer in contract["layers"]
    ]
    listed = re.findall(r"^\d+\. (`\w+`(?:, `\w+`)*)$", _section("Where things are"), flags=re.MULTILINE)
    assert [set(line.replace("`", "").split(", ")) for line in listed] == checked
