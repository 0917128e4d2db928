"""Counts of parts of networks that docs/results/neighbours.md tells. Those of whole networks are beside each network's tests."""

from __future__ import annotations

import pytest
import torch

from unnoise import denoisers


@pytest.mark.parametrize(
    ("name", "part", "count"),
    [
        ("laine19", "param_estimation_net", 1_102_177),
        ("dbsn-first", "sigma_mu", 4_259),
        ("dbsn-first", "sigma_n", 3_395),
        ("scpgabn", "generator", 545_727),
        ("scpgabn", "critic", 2_767_809),
        ("gcbd", "", 1_265_106),
        ("i2v", "extractor", 557_443),
        ("i2v", "blind", 3_656_131),
    ],
)
def test_trained_values(name: str, part: str, count: int) -> None:
    with torch.device("meta"):
        found = denoisers.create(name).get_submodule(part)
    assert sum(each.numel() for each in found.parameters() if each.requires_grad) == count
