"""Options that a run cannot have are told in one sentence, before anything is read or written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unnoise.errors import UsageError
from unnoise.models.model import fresh
from unnoise.recipes import load, validate
from unnoise.training import options, quantize
from unnoise.training.adapt import adapt
from unnoise.training.options import TrainingOptions, validate_options
from unnoise.training.schedule import Length
from unnoise.training.train import train

PICTURE = np.zeros((20, 20, 3), np.uint8)
WRONG: list[dict[str, Any]] = [
    {"seed": -1},
    {"seed": 99999999999999999999999},
    {"seed": 1.5},
    {"seed": "one"},
    {"workers": -1},
    {"workers": "many"},
    {"checkpoint_seconds": math.nan},
    {"checkpoint_seconds": -1},
    {"preview_seconds": math.nan},
    {"device": 3},
    {"progress": 3},
    {"steps": 0},
    {"steps": "ten"},
    {"minutes": -1.0},
    {"minutes": math.nan},
    {"minutes": math.inf},
    {"sed": 3},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_options_that_a_run_cannot_have(wrong: dict[str, Any], tmp_path: Path) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=rf"^A training('s| has no) option '{name}'[^\n]*\.$"):
        train([PICTURE], "ap-bsn", output=tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()
    if name in ("seed", "device", "progress"):
        model = fresh(
            validate({"name": "t", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}, "t")
        )
        with pytest.raises(UsageError, match=rf"^A training's option '{name}'"):
            adapt(model, [PICTURE], **({"steps": 4} | wrong))


def test_other_things_that_a_run_cannot_begin_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"starts from a model, got int; load it"):
        train([PICTURE], "ap-bsn", output=tmp_path / "out", start=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="A recipe is a name, a YAML file or a Recipe, got int"):
        train([PICTURE], 3, output=tmp_path / "out")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="option 'output'"):
        train([PICTURE], "ap-bsn", output=3)  # type: ignore[arg-type]


def test_options_that_it_can_have() -> None:
    length = validate_options(Length, steps=np.int64(3), minutes=None)
    made = validate_options(TrainingOptions, output="out", length=length, seed=np.int64(4), checkpoint_seconds=math.inf)
    assert (made.output, made.length.steps, made.seed, made.checkpoint_seconds) == (Path("out"), 3, 4, math.inf)


@pytest.mark.parametrize(
    "field",
    [
        "training.learning_rate",
        "training.weight_decay",
        "training.step_factor",
        "training.gradient_clip",
        "bias_correction.bound",
    ],
)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_numbers_of_a_recipe_are_finite(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"field '{field}'"):
        load("ap-bsn", {"bias_correction": {"curve": "auto"}, field: value})


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        (options, "Status", "TrainingStatus"),
        (options, "Options", "TrainingOptions"),
        (options, "checked", "validate_options"),
        (quantize, "quantized", "quantize_model"),
        (quantize, "difference", "measure_change"),
    ],
)
def test_old_names_still_work_and_warn(module: Any, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now called .*{new}"):
        assert getattr(module, old) is getattr(module, new)
