"""What is no sound checkpoint is said to be damaged, whatever is wrong with it; what a folder holds is not written over."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.models.model import Model
from unnoise.training import checkpoints, logs
from unnoise.training.train import train

RECIPE = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 1},
    "training": {"crop": 16, "batch": 1, "learning_rate": 1e-3},
}
PICTURES = [np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)]
Change = Callable[[dict[str, Any]], Any]


def _train(out: Path, **options: Any) -> Model:
    return train(PICTURES, recipes.validate(RECIPE, "tiny"), output=out, **({"steps": 2, "device": "cpu"} | options))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("run")
    _train(out)
    found: dict[str, Any] = torch.load(out / checkpoints.CHECKPOINT_FILE, weights_only=True)
    return found


def _bent(part: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def change(state: dict[str, Any]) -> dict[str, Any]:
        first = next(iter(state[part]))
        return state | {part: state[part] | {first: value(state[part][first])}}

    return change


def _moments(state: dict[str, Any]) -> dict[str, Any]:
    each = state["optimizer"]["state"]
    return state | {"optimizer": state["optimizer"] | {"state": each | {0: each[0] | {"exp_avg": torch.zeros(7)}}}}


def _optimizer(state: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The state with other values for the first parameter in the optimizer; floats fill its tensors."""
    changed = copy.deepcopy(state)
    first = changed["optimizer"]["state"][0]
    first |= {key: torch.full_like(first[key], value) if isinstance(value, float) else value for key, value in values.items()}
    return changed


WRONG: dict[str, Change] = {
    "a list": lambda state: [1, 2],
    "another dict": lambda state: {"a": 1},
    "a tensor": lambda state: torch.zeros(3),
    "nothing": lambda state: None,
    "a recipe that is no JSON": lambda state: state | {"recipe": "{"},
    "a step that is text": lambda state: state | {"step": "3"},
    "a step without end": lambda state: state | {"step": 10**40},
    "moments that are no tensors": lambda state: _optimizer(state, exp_avg=3),
    "moments that are no numbers": lambda state: _optimizer(state, exp_avg=torch.nan),
    "squares below 0": lambda state: _optimizer(state, exp_avg_sq=-1.0),
    "steps of the optimizer below 0": lambda state: _optimizer(state, step=-5.0),
    "a step below 0": lambda state: state | {"step": -1},
    "endless seconds": lambda state: state | {"seconds": float("nan")},
    "no average": lambda state: {key: value for key, value in state.items() if key != "average"},
    "an empty average": lambda state: state | {"average": {}},
    "an average of one number": _bent("average", lambda x: x.mean()),
    "other weights": _bent("network", lambda x: x[:1]),
    "weights that are no numbers": _bent("network", lambda x: x * torch.nan),
    "no groups": lambda state: state | {"optimizer": {"state": {}}},
    "other moments": _moments,
}


@pytest.mark.parametrize("kind", WRONG)
def test_sound_bytes_that_are_no_state(kind: str, state: dict[str, Any], tmp_path: Path) -> None:
    torch.save(WRONG[kind](state), tmp_path / checkpoints.CHECKPOINT_FILE)
    with pytest.raises(UnnoiseError, match=rf"^The checkpoint {tmp_path}/checkpoint\.pt is damaged; begin .*\.$"):
        _train(tmp_path, resume=True, steps=4)


def test_a_recipe_that_this_version_does_not_know(state: dict[str, Any], tmp_path: Path) -> None:
    recipe = json.loads(state["recipe"]) | {"fashion": 1}
    torch.save(state | {"recipe": json.dumps(recipe)}, tmp_path / checkpoints.CHECKPOINT_FILE)
    with pytest.raises(UnnoiseError, match=r"checkpoint\.pt holds no recipe of this version .*'fashion'"):
        _train(tmp_path, resume=True, steps=4)


def test_one_bit_is_noticed(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / checkpoints.CHECKPOINT_FILE
    torch.save(state, path)
    whole = bytearray(path.read_bytes())
    weights = next(iter(state["network"].values())).numpy().tobytes()
    whole[whole.index(weights) + 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UnnoiseError, match=r"checkpoint\.pt is damaged"):
        _train(tmp_path, resume=True, steps=4)


def test_archives_without_checksums_can_be_read(state: dict[str, Any], tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / checkpoints.CHECKPOINT_FILE)
    finally:
        torch.serialization.set_crc32_options(True)
    assert _train(tmp_path, resume=True, steps=3).card.steps == 3


@pytest.mark.parametrize("name", ["model.safetensors", "log.csv"])
def test_a_file_of_the_users_is_not_written_over(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"{name} is there already; choose another folder, or remove it"):
        _train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_model_without_its_checkpoint_can_be_begun_with(tmp_path: Path) -> None:
    _train(tmp_path)
    (tmp_path / checkpoints.CHECKPOINT_FILE).unlink()
    with pytest.raises(UsageError, match=r"no checkpoint to resume from; begin .* another folder, with --start .*model"):
        _train(tmp_path, resume=True)


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_anew(tmp_path: Path) -> None:
    logs.Log(tmp_path, 0).close()
    assert (tmp_path / "log.csv").is_file()
    assert _train(tmp_path).card.steps == 2


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(tmp_path)
    before = (tmp_path / checkpoints.CHECKPOINT_FILE).read_bytes()

    def fail(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 122176 vs 122064")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(UnnoiseError, match=r"checkpoint\.pt cannot be written: the disk is full"):
        _train(tmp_path, resume=True, steps=4)
    assert (tmp_path / checkpoints.CHECKPOINT_FILE).read_bytes() == before
    assert not list(tmp_path.glob("*.part*"))
