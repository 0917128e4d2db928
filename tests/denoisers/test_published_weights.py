"""Each published state dict has one owner among all denoisers, also under prefixes that an importer might strip."""

from __future__ import annotations

import pytest
import torch

from reference import golden
from unnoise import denoisers

OWNERS = {
    "apbsn": ("dbsn", "bsn."),
    "ssbsn": ("ssbsn", "bsn."),
    "atbsn": ("atbsn", ""),
    "atbsn_student_a": ("atbsn-student-a", ""),
    "atbsn_student_c": ("atbsn-student-c", ""),
    "tmbsn": ("tmbsn", ""),
    "restormer": ("restormer", ""),
    "deamnet": ("deamnet", ""),
    "nafnet_baseline": ("nafnet-baseline", ""),
    "unet": ("unet", ""),
    "unet_blindspot": ("unet-blindspot", ""),
    "dncnn": ("dncnn", ""),
}
MADE_HERE = {"atbsn-student-b": {"width": 2}, "tmbsn-student": {"width": 2}}
"""Networks of which no reference file exists."""


def _owners(weights: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in denoisers.names() if denoisers.lookup(name).from_weights(weights) is not None]


def _beginnings(weights: dict[str, torch.Tensor]) -> set[str]:
    """All dotted beginnings of the keys."""
    parts = [key.split(".") for key in weights]
    return {".".join(part[:depth]) + "." for part in parts for depth in range(1, len(part))}


@pytest.mark.data
@pytest.mark.parametrize("file", OWNERS)
def test_reference_weights_have_one_owner(file: str) -> None:
    weights, _ = golden(file)
    owner, prefix = OWNERS[file]
    assert _owners({key.removeprefix(prefix): value for key, value in weights.items()}) == [owner]
    for other in _beginnings(weights) - {prefix}:
        stripped = {key.removeprefix(other): value for key, value in weights.items() if key.startswith(other)}
        assert _owners(stripped) == [], other


@pytest.mark.parametrize("name", MADE_HERE)
def test_other_weights_have_one_owner(name: str) -> None:
    weights = denoisers.create(name, **MADE_HERE[name]).state_dict()
    assert _owners(weights) == [name]
    again = denoisers.lookup(name).from_weights(weights)
    assert again is not None
    assert again.sizes == denoisers.create(name, **MADE_HERE[name]).sizes


@pytest.mark.data
@pytest.mark.parametrize("file", [file for file, (_, prefix) in OWNERS.items() if not prefix])
def test_published_names_are_our_names(file: str) -> None:
    """Weights written by us can be read by the published code, but for its constant masks."""
    weights, _ = golden(file)
    network = denoisers.lookup(OWNERS[file][0]).from_weights(weights)
    assert network is not None
    assert set(network.state_dict()) == {key for key in weights if not key.endswith(".mask")}
