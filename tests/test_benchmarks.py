"""Benchmarks, which are run by hand, still begin; and what ours is timed against, the published form, gives the same picture."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from reference import relative_error
from unnoise import denoisers

FOLDER = Path(__file__).parents[1] / "benchmarks"
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
