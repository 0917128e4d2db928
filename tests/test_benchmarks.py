"""Benchmarks start, and the published implementation that ours is timed against gives the same picture."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from reference import relative_error
from unnoise import denoisers, recipes

FOLDER = Path(__file__).parents[1] / "benchmarks"
RESULTS = Path(__file__).parents[1] / "docs/results"
PLAIN: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 6, "modules": 1},
    "ssbsn": {"features": 64, "modules": 2, "attention_modules": 1, "attention": "exact"},
    "atbsn": {"width": 5},
    "atbsn-student-a": {"width": 5},
    "atbsn-student-c": {"width": 5},
    "tmbsn": {"features": 5, "groups": 1, "blocks": 1},
    "tmbsn-student": {"width": 5},
    "restormer": {"dim": 8, "blocks": (1, 1, 1, 1), "refinement_blocks": 1, "heads": (1, 2, 2, 4)},
    "nafnet-baseline": {"width": 6, "encoder_blocks": (1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1)},
    "deamnet": {"features": 6},
    "unet": {"features": 6},
    "dncnn": {"features": 6, "layers": 4},
}


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_it_begins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name])
    importlib.import_module(name)


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_form_is_the_same_network(name: str) -> None:
    as_published = importlib.import_module("speed_plain").as_published
    torch.manual_seed(0)
    network = denoisers.create(name, **PLAIN[name]).eval()
    x = torch.rand(1, 3, 32, 32) * network.value_range[1]
    with torch.inference_mode():
        fast = network(x)
    assert fast.std() > 0
    assert relative_error(as_published(network)(x), fast) < 1e-3


def test_the_index_lists_every_program() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    programs = {path.stem for path in FOLDER.glob("*.py") if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")}
    parts = {path.stem for path in FOLDER.glob("*.py")} - programs
    assert {name for name in programs if f"| `{name}.py` |" not in index} == set()
    assert {name for name in parts if f"`{name}" not in index and name.removeprefix("speed_") not in index} == set()


@pytest.mark.parametrize("page", ["compare.md", "neighbours.md"])
def test_pages_show_the_recorded_scores(page: str) -> None:
    module = importlib.import_module("recipe_rows")
    rows, text = module.read(RESULTS / "recipes.csv"), (RESULTS / page).read_text(encoding="utf-8")
    assert "<!-- table " in text
    assert module.filled(text, rows) == text


def test_each_method_has_scores_or_a_reason() -> None:
    module = importlib.import_module("recipe_rows")
    rows, names = module.read(RESULTS / "recipes.csv"), recipes.names()
    assert {row.recipe for row in rows} <= set(names)
    assert {module.method(name) for name in names} == {row.method for row in rows}
    assert "not trained yet" not in module.coverage(rows, names)
    bare = [row for row in rows if not row.scored]
    assert all(row.note for row in bare)
    assert not {row.method for row in bare} & {row.method for row in rows if row.scored}
