"""The scheme calls each stage at its time, and refuses networks that have none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise.denoisers.dbsn import DBSN
from unnoise.denoisers.puca import PUCA
from unnoise.errors import UsageError
from unnoise.schemes.staged_blind_spot import StagedBlindSpot

ADDED = {"train": 1.0, "restore": 2.0, "refine": 3.0}


def _network(x: Tensor, stage: str = "restore") -> Tensor:
    return x + ADDED[stage]


def test_each_stage_at_its_time() -> None:
    x, scheme = torch.zeros(1, 3, 4, 4), StagedBlindSpot()
    assert scheme.loss(_network, x) == 1
    assert torch.equal(scheme.restore(_network, x), x + 2)
    assert torch.equal(scheme.refine(_network, x), x + 3)


def test_the_border_is_reflected_and_cropped() -> None:
    x, seen = torch.rand(1, 1, 5, 6), []

    def network(padded: Tensor, stage: str) -> Tensor:
        seen.append(padded)
        return padded

    assert torch.equal(StagedBlindSpot(border=2).refine(network, x), x)
    assert torch.equal(seen[0], torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect"))


def test_networks_without_stages_are_refused() -> None:
    StagedBlindSpot().check(PUCA)
    with pytest.raises(UsageError, match="take one of puca, lgbpn, or the scheme pd-blind-spot"):
        StagedBlindSpot().check(DBSN)
