"""What every denoiser gets from the base class: an initialization for recipes, and the promised name `holes`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser

SMALL: dict[str, dict[str, object]] = {
    "dbsn": {"features": 8, "modules": 3},
    "ssbsn": {"features": 8, "modules": 3, "attention_modules": 1},
    "atbsn": {"width": 8},
    "tmbsn": {"features": 8, "groups": 5, "blocks": 5},
    "tmbsn-student": {"width": 8},
    "atbsn-student-a": {"width": 8},
    "restormer": {"dim": 8, "blocks": (2, 2, 2, 2), "heads": (1, 1, 2, 2)},
    "deamnet": {"features": 16},
    "nafnet": {"width": 8},
    "unet": {"features": 8},
    "dncnn": {"features": 8},
}


class Stack(Denoiser):
    """Somebody's network: ten layers with ReLUs, of all kinds that the initialization knows."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = {}
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()]
        for _ in range(4):
            layers += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 2, 2), nn.ReLU()]
            layers += [nn.ConvTranspose2d(32, 32, 2, 2), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.mix = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.mix(self.body(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return result


def test_he_initialization_keeps_the_size_of_the_signal_in_any_network() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 32, 32)
    spread = {}
    for kind in ("default", "he"):
        network = Stack()
        network.initialize(kind)  # type: ignore[arg-type]
        spread[kind] = (network(x).square().mean() / x.square().mean()).item()
    assert spread["default"] < 0.1  # torch's own draw loses the signal
    assert 0.3 < spread["he"] < 6


@pytest.mark.parametrize("name", SMALL)
def test_every_denoiser_has_a_he_initialization_that_neither_vanishes_nor_explodes(name: str) -> None:
    torch.manual_seed(0)
    network = denoisers.create(name, **SMALL[name])
    network.initialize("he")
    low, high = network.value_range
    x = torch.rand(1, 3, 64, 64) * (high - low) + low
    result = network(x)
    assert 0.1 < (result.std() / x.std()).item() < 10


@pytest.mark.parametrize("name", ["atbsn", "tmbsn"])
def test_the_promised_name_holes_stays(name: str) -> None:
    network = denoisers.create(name, **({"width": 4} if name == "atbsn" else {"features": 4, "groups": 1, "blocks": 1}))
    x = torch.rand(1, 3, 9, 12)
    with torch.no_grad():
        assert torch.equal(network.holes(x, [1, 3]), network.forward_blind_spots(x, [1, 3]))
