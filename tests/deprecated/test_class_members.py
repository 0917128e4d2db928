"""Denoisers and schemes of users with members under their old names."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from unnoise.denoisers.base import OLD_NAMES, Denoiser
from unnoise.denoisers.dncnn import DnCNN
from unnoise.regions import Region
from unnoise.schemes import base
from unnoise.schemes.pd_blind_spot import PDBlindSpot


def _old_denoiser() -> type[Denoiser]:
    class Mine(Denoiser):
        multiple = 4
        halo_cost = 0.5
        gains_by_int8 = True

        def __init__(self) -> None:
            super().__init__()
            self.sizes = {}
            self.body = nn.Conv2d(3, 3, 3, padding=1)

        @property
        def reach(self) -> int:
            return 1

        def part(self, x: Tensor, wanted: Region) -> Tensor:
            return 2 * super().part(x, wanted)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.body(x)
            return result

    return Mine


def test_a_denoiser_with_old_names_has_the_new_ones() -> None:
    with pytest.warns(DeprecationWarning, match="Mine.reach is now called receptive_field_radius"):
        network: Any = _old_denoiser()()
    assert (network.size_multiple, network.receptive_field_radius) == (4, 1)
    assert (network.halo_relative_cost, network.prefers_int8, network.crops_halo) == (0.5, True, True)
    x, place = torch.rand(1, 3, 8, 8), (slice(1, 3), slice(2, 5))
    with pytest.warns(DeprecationWarning, match="Denoiser.part is now called forward_region"):
        assert torch.equal(network.forward_region(x, place), 2 * network(x)[..., *place])


@pytest.mark.parametrize("old", [old for old in OLD_NAMES if old not in ("part", "parts")])
def test_old_names_read_the_new_ones(old: str) -> None:
    network: Any = DnCNN(features=4, layers=3)
    with pytest.warns(DeprecationWarning, match=f"Denoiser.{old} is now called {OLD_NAMES[old]}"):
        assert getattr(network, old) == getattr(network, OLD_NAMES[old])


def test_old_methods_call_the_new_ones() -> None:
    network: Any = DnCNN(features=4, layers=3).eval()
    x, rows, columns = torch.rand(1, 3, 8, 8), slice(1, 3), slice(2, 5)
    expected = network(x)[..., rows, columns]
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert torch.equal(network.part(x, (rows, columns)), expected)
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert torch.equal(network.parts(x, [rows], [columns]), expected)


def test_a_scheme_with_old_names_has_the_new_ones() -> None:
    with pytest.warns(DeprecationWarning, match="Mine.wants_blindness is now called requires_blind_network"):

        class Mine(PDBlindSpot):
            name: Literal["mine"] = "mine"  # type: ignore[assignment]
            wants_blindness = False

            @property
            def phase(self) -> int:
                return 6

            def reach(self, network_reach: int) -> int:
                return network_reach + 10

    scheme: Any = Mine()
    assert (scheme.requires_blind_network, scheme.tile_alignment, scheme.restore_radius(5)) == (False, 6, 15)


def test_old_names_of_schemes_read_the_new_ones() -> None:
    scheme: Any = PDBlindSpot()
    with pytest.warns(DeprecationWarning, match="Scheme.phase is now called tile_alignment"):
        assert scheme.phase == 2
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert scheme.refine_reach(7) == 7


def test_functions_under_old_names_warn() -> None:
    with pytest.warns(DeprecationWarning, match="part_of is now called unnoise.schemes.base.run_region"):
        assert base.part_of is base.run_region
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = base.nothing
