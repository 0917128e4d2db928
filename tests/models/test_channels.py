"""A color network begins a grey training: both agree on grey pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unnoise import denoisers
from unnoise.models import shipped
from unnoise.models.channels import weights_for

SIZES: dict[str, dict[str, Any]] = {
    "tmbsn": {"features": 4, "groups": 1, "blocks": 1},
    "tmbsn-student": {"width": 4},
    "dncnn": {"features": 4, "layers": 3},
    "dbsn": {"features": 4, "modules": 1},
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("old", "new"), [(3, 1), (1, 3)])
def test_both_agree_on_grey_pictures(name: str, old: int, new: int) -> None:
    torch.manual_seed(0)
    start, network = (denoisers.create(name, channels=count, **SIZES[name]).eval() for count in (old, new))
    weights = weights_for(network, start)
    assert weights is not None
    grey = torch.rand(1, 1, 48, 40)
    with torch.no_grad():
        before = network(grey.expand(-1, new, -1, -1).contiguous())
        network.load_state_dict(weights)
        one, other = (net(grey.expand(-1, count, -1, -1).contiguous()).mean(1) for net, count in ((network, new), (start, old)))
    assert torch.allclose(one, other, atol=1e-4)
    assert not torch.allclose(before.mean(1), one, atol=1e-3)  # it was another network


def test_the_shipped_default_fits_one_channel() -> None:
    start = shipped.load("default").network
    network = denoisers.create("tmbsn-student-rounded", **(start.sizes | {"channels": 1}))
    assert weights_for(network, start) is not None


@pytest.mark.parametrize("sizes", [{"features": 8}, {"blocks": 2}])
def test_other_networks_do_not_fit(sizes: dict[str, int]) -> None:
    one, other = (denoisers.create("tmbsn", **(SIZES["tmbsn"] | changed)) for changed in ({}, sizes))
    assert weights_for(one, other) is None
    assert weights_for(one, denoisers.create("dncnn", features=4, layers=3)) is None
