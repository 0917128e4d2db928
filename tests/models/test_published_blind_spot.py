"""Published checkpoints of SS-BSN, AT-BSN, TM-BSN and their students: the network is found and gives the published picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from reference import golden, relative_error
from unnoise import denoisers, load
from unnoise.models.model import Model

Weights = dict[str, Tensor]
Wrapping = Callable[[Weights], object]


def _prefixed(prefix: str) -> Wrapping:
    return lambda weights: {f"{prefix}{key}": value for key, value in weights.items()}


WRAPPINGS: dict[str, Wrapping] = {
    "bare": lambda weights: weights,
    "data parallel": _prefixed("module."),
    "with an optimizer": lambda weights: {
        "epoch": 3,
        "params": weights,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
    },
}


def _imported(held: object, folder: Path) -> Model:
    torch.save(held, folder / "published.pth")
    return load(folder / "published.pth")


def _check(model: Model, pictures: tuple[Tensor, Tensor]) -> None:
    """The whole model, in 0..1, gives the published picture."""
    noisy, expected = pictures
    white = model.network.value_range[1]
    with torch.no_grad():
        assert relative_error(model(noisy / white) * white, expected) < 1e-4


@pytest.mark.data
@pytest.mark.parametrize("prefix", ["", "bsn.", "module."])
def test_ss_bsn(prefix: str, tmp_path: Path) -> None:
    weights, cases = golden("ssbsn")
    weights = {key.removeprefix("bsn."): value for key, value in weights.items()}
    model = _imported({"epoch": 20, "model_weight": {"denoiser": _prefixed(prefix)(weights)}, "optimizer_weight": {}}, tmp_path)
    assert (model.recipe.name, denoisers.name_of(model.network)) == ("ss-bsn", "ssbsn")
    _check(model, cases["denoise_pd2"])
    with torch.no_grad():
        assert relative_error(model.network(cases["bsn_odd"][0]), cases["bsn_odd"][1]) < 1e-4


@pytest.mark.data
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_at_bsn(wrapping: str, tmp_path: Path) -> None:
    weights, cases = golden("atbsn")
    model = _imported(WRAPPINGS[wrapping](weights), tmp_path)
    assert (model.recipe.name, denoisers.name_of(model.network)) == ("at-bsn", "atbsn")
    _check(model, cases["hole3"])  # the paper's at inference


@pytest.mark.data
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_tm_bsn(wrapping: str, tmp_path: Path) -> None:
    weights, cases = golden("tmbsn")
    model = _imported(WRAPPINGS[wrapping](weights), tmp_path)
    assert (model.recipe.name, denoisers.name_of(model.network)) == ("tm-bsn", "tmbsn")
    with torch.no_grad():
        for hole in (0, 1, 2, 5):
            noisy, expected = cases[f"hole{hole}"]
            assert relative_error(model.network(noisy, blind_spot=hole), expected) < 1e-4
        noisy = cases["hole5"][0]
        assert relative_error(model(noisy), model.network(noisy, blind_spot=4)) < 1e-6  # the paper's at inference


@pytest.mark.data
@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("letter", ["a", "c"])
def test_students_of_at_bsn(letter: str, wrapping: str, tmp_path: Path) -> None:
    weights, cases = golden(f"atbsn_student_{letter}")
    model = _imported(WRAPPINGS[wrapping](weights), tmp_path)
    assert (model.recipe.name, denoisers.name_of(model.network)) == ("at-bsn-d", f"atbsn-student-{letter}")
    for pictures in cases.values():
        _check(model, pictures)


@pytest.mark.data
@pytest.mark.parametrize("teacher_first", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("letter", ["a", "c"])
def test_the_student_is_taken_where_its_teacher_lies_beside_it(
    letter: str, prefix: str, teacher_first: bool, tmp_path: Path
) -> None:
    weights, cases = golden(f"atbsn_student_{letter}")
    parts = [_prefixed(f"{prefix}nbsn.")(weights), _prefixed(f"{prefix}bsn.")(golden("atbsn")[0])]
    held: Weights = {}
    for part in reversed(parts) if teacher_first else parts:
        held |= part  # type: ignore[arg-type]
    model = _imported(held, tmp_path)
    assert denoisers.name_of(model.network) == f"atbsn-student-{letter}"
    for pictures in cases.values():
        _check(model, pictures)


@pytest.mark.parametrize(("name", "recipe"), [("atbsn-student-b", "at-bsn-d"), ("tmbsn-student", "tm-bsn-d")])
def test_students_without_reference_numbers(name: str, recipe: str, tmp_path: Path) -> None:
    network = denoisers.create(name, width=4)
    noisy = torch.rand(1, 3, 33, 21) * network.value_range[1]
    with torch.no_grad():
        expected = network(noisy)
    model = _imported(network.state_dict(), tmp_path)
    assert (model.recipe.name, denoisers.name_of(model.network)) == (recipe, name)
    _check(model, (noisy, expected))


@pytest.mark.data
def test_imported_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    for file, case in {"atbsn": "hole3", "atbsn_student_a": "net_odd", "ssbsn": "denoise_pd2"}.items():
        weights, cases = golden(file)
        _imported(weights, tmp_path).save(tmp_path / "ours.safetensors")
        _check(load(tmp_path / "ours.safetensors"), cases[case])
