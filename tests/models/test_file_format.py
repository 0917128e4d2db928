"""A model survives a round trip through its file, and a damaged file gives a one-sentence error."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.models.card import Card
from unnoise.models.model import Model, fresh

RECIPE = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}


def _model() -> Model:
    torch.manual_seed(0)
    return fresh(recipes.validate(RECIPE, "tiny"))


MODEL = _model()


@pytest.mark.parametrize("half", [False, True])
def test_round_trip_through_the_file(half: bool, tmp_path: Path) -> None:
    model = Model(MODEL.network, MODEL.recipe, Card(description="a test", scores={"here": "1 / 2"}))
    model.save(tmp_path / "m.safetensors", half=half)
    again = Model.load(tmp_path / "m.safetensors")
    assert again.card == model.card
    assert again.recipe == model.recipe
    for key, value in model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[key], value.half().float() if half else value)
    assert list(tmp_path.iterdir()) == [tmp_path / "m.safetensors"]  # no temporary file is left


def test_a_header_with_the_field_names_of_version_0_1(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = MODEL.applied({"bias_correction": "srgb", "normalization": "auto"})
    model.save(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    fields = json.loads(header["recipe"])
    assert {"bias_correction", "normalization"} <= set(fields)
    fields["light"], fields["levels"] = fields.pop("bias_correction"), fields.pop("normalization")
    save_file(MODEL.network.state_dict(), path, metadata=header | {"recipe": json.dumps(fields)})
    with warnings.catch_warnings(action="error"):
        old = Model.load(path)
    assert old.recipe == model.recipe
    assert old.recipe.bias_correction


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    MODEL.save(path)
    whole = path.read_bytes()
    for share in (0.0, 0.001, 0.5, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UnnoiseError, match=r"m\.safetensors is damaged"):
            Model.load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(UnnoiseError, match="is no model of unnoise"):
        Model.load(path)
    with pytest.raises(UsageError, match="There is no model file"):
        Model.load(tmp_path / "none.safetensors")


HEADERS: dict[str, dict[str, str | None]] = {
    "no denoiser": {"denoiser": None},
    "no sizes": {"sizes": None},
    "no recipe": {"recipe": None},
    "no card": {"card": None},
    "no JSON as sizes": {"sizes": "{"},
    "no JSON as recipe": {"recipe": "{"},
    "no JSON as card": {"card": "{"},
    "a list of sizes": {"sizes": "[1]"},
    "a list as card": {"card": "[1]"},
    "no recipe's fields": {"recipe": '{"fashion": 1}'},
    "an unknown denoiser": {"denoiser": "../x"},
    "another denoiser": {"denoiser": "unet"},
    "an unknown size": {"sizes": '{"fashion": 1}'},
    "text as a size": {"sizes": '{"channels": "x"}'},
    "a size below 0": {"sizes": '{"channels": -3, "features": 4, "modules": 1}'},
    "sizes whose product is beyond the file": {"sizes": '{"channels": 3, "features": 10000, "modules": 1}'},
    "a size beyond memory": {"sizes": '{"channels": 3, "features": 10000000, "modules": 1}'},
    "a size without end": {"sizes": '{"channels": 3, "features": 4, "modules": 10000000}'},
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_damaged_header_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    MODEL.save(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata() | HEADERS[kind]
    save_file(load_file(path), path, metadata={key: value for key, value in header.items() if value is not None})
    with pytest.raises(UnnoiseError, match=rf"^[^\n]*{path}[^\n]*; get (it|the file) again\.$") as raised:
        Model.load(path)
    assert raised.value.exit_status == 1


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers(value: float, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = _model()
    with torch.no_grad():
        next(model.network.parameters())[..., 0] = value
    model.save(path)
    with pytest.raises(UnnoiseError, match=rf"weights in {path} are not all finite numbers"):
        Model.load(path)


def test_no_room_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"mine")

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("unnoise.models.file_format.save_file", full)
    with pytest.raises(UnnoiseError, match=r"m\.safetensors cannot be written: No space left on device; choose"):
        MODEL.save(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"mine"]
