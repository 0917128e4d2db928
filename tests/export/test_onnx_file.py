"""ONNX files: what they hold, and that they give what torch gives at sizes that were not traced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from command_line import call
from small_denoisers import TINY
from unnoise import denoisers, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.export import parity
from unnoise.export.graph import make_graph
from unnoise.export.onnx_file import export
from unnoise.models import shipped
from unnoise.models.card import Card
from unnoise.models.model import Model, fresh
from unnoise.schemes.risk_averaged import RiskAveraged

SIZES = (1, 1), (1, 20), (3, 2), (5, 7), (37, 501), (64, 96), (66, 94)
UNTRIED = {
    "tbsn", "puca", "lgbpn", "bnn", "tbsn-student", "scunet", "dbsn-first", "c2n",
    "laine19",  # its graph is of one size alone: torch 2.13 loses the padding of odd sides
}  # fmt: skip
"""Networks whose export nobody has tried yet, or that fail."""


def _lively(network: Denoiser) -> Denoiser:
    """The network with biases and gains that are not zero, so that a part that is left out is noticed."""
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def _student() -> Model:
    network = _lively(denoisers.create("tmbsn-student", width=2))
    return Model(network, recipes.load("tm-bsn-d-quick"), Card())


@pytest.mark.slow
def test_a_student_is_written_and_checked(tmp_path: Path) -> None:
    model = _student()
    written = export(model, tmp_path / "student.onnx")
    assert written.difference < 1e-5
    assert set(written.differences) == set(parity.SIZES)
    run = parity.session(str(written.path))
    assert max(parity.largest_difference(run, model, 3, sizes=SIZES).values()) < 1e-5
    (multiple,) = (each.value for each in onnx.load(written.path).metadata_props if each.key == "size_multiple")
    assert multiple == "32"


def test_pd_and_the_value_range_are_in_the_graph_and_the_metadata_tell_the_rest(tmp_path: Path) -> None:
    recipe = recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1})
    model = Model(fresh(recipe).network, recipe, Card(description="A network.", licence="CC0"))
    _lively(model.network)
    file = onnx.load(export(model, tmp_path / "pd.onnx").path)
    told = {each.key: each.value for each in file.metadata_props}
    assert told["licence"] == "CC0"
    assert json.loads(told["card"])["description"] == "A network."
    assert (told["size_multiple"], told["value_range"]) == ("2", "[0.0, 1.0]")
    radius = model.network.receptive_field_radius
    assert radius
    assert int(told["halo"]) == 2 * radius
    text = str(file)
    assert "site-packages" not in text
    assert "unnoise/" not in text  # of this computer's files nothing is told
    run = parity.session(str(tmp_path / "pd.onnx"))
    assert max(parity.largest_difference(run, model, 3, sizes=SIZES).values()) < 1e-5


def test_float16_halves_the_file_and_is_near(tmp_path: Path) -> None:
    network = _lively(denoisers.create("dncnn", features=16, layers=4))
    model = Model(network, recipes.load("ap-bsn"))
    whole, half = (
        export(model, tmp_path / f"{name}.onnx", network_only=True, precision=name).path  # type: ignore[arg-type]
        for name in ("float32", "float16")
    )
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    found = parity.largest_difference(parity.session(str(half)), network, 3, network.value_range, SIZES)
    assert 1e-6 < max(found.values()) < 4e-3
    (told,) = (each.value for each in onnx.load(half).metadata_props if each.key == "precision")
    assert told == "float16"


def test_float16_takes_a_value_range_and_a_scheme(tmp_path: Path) -> None:
    model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1}))
    assert model.network.value_range != (0.0, 1.0)
    _lively(model.network)
    assert 1e-6 < export(model, tmp_path / "half.onnx", precision="float16").difference < 4e-3


def test_a_graph_that_onnxruntime_cannot_open_is_one_sentence() -> None:
    with pytest.raises(UnnoiseError, match=r"onnxruntime .* cannot open the graph: .*"):
        parity.session(b"no graph")


@pytest.mark.slow
@pytest.mark.parametrize("name", denoisers.names())
def test_every_denoiser_gives_what_torch_gives(name: str, tmp_path: Path) -> None:
    if name in UNTRIED:
        pytest.skip("its export has not been tried yet, or fails")
    torch.manual_seed(0)
    network = denoisers.create(name, **TINY[name])
    network.initialize_he()
    model = Model(_lively(network), recipes.load("amsnet-quick"))
    run = parity.session(str(export(model, tmp_path / "m.onnx", network_only=True).path))
    assert max(parity.largest_difference(run, network, 3, network.value_range, SIZES).values()) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_model_is_exported(name: str, tmp_path: Path) -> None:
    model = shipped.load(name)
    only = model.recipe.scheme.model_dump()["name"] == "risk-averaged-blind-spot"
    assert export(model, tmp_path / "m.onnx", network_only=only).difference < 1e-4


def test_random_masks_are_refused(tmp_path: Path) -> None:
    recipe = recipes.load("amsnet-quick")
    with pytest.raises(
        UsageError, match=r"The scheme '.*' cannot be exported with this network, as it draws .*; add --network-only"
    ):
        export(fresh(recipe), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_averages_by_risk_are_refused_with_the_reason() -> None:
    network = denoisers.create("tmbsn", **TINY["tmbsn"])
    with pytest.raises(
        UsageError, match=r"'risk-averaged-blind-spot' cannot be exported .*, as it measures the noise of the whole"
    ):
        make_graph(network, RiskAveraged(blind_spot_sizes=(1, 2)))


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "session", lambda content: lambda noisy: noisy * np.float32(0.9))
    model = Model(denoisers.create("dncnn", features=2, layers=3), recipes.load("ap-bsn"))
    with pytest.raises(UnnoiseError, match=r"differs from PyTorch's by .* nothing was written"):
        export(model, tmp_path / "m.onnx", network_only=True)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_is_missing_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = recipes.load("ap-bsn", {"denoiser.features": 2, "denoiser.modules": 1})
    fresh(recipe).save(tmp_path / "m.safetensors")
    answer = call(monkeypatch, capfd, "export", tmp_path / "m.safetensors", "-o", tmp_path / "m.onnx")
    assert answer.status == 0, answer.err
    assert "opset 18" in answer.out
    assert "Not in the file: the refinement R³;" in answer.out
    again = call(monkeypatch, capfd, "export", tmp_path / "m.safetensors", "-o", tmp_path / "m.onnx")
    assert again.status == 2
    other = call(monkeypatch, capfd, "export", tmp_path / "m.safetensors", "-o", tmp_path / "m.pb")
    assert (other.status, other.err.count("\n")) == (2, 1)
    assert "ends in .onnx" in other.err
