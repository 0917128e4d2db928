"""The blind-spot U-Net: exactly blind, and only to the pixel itself. Published numbers: test_amsnet_denoisers."""

from __future__ import annotations

import pytest
import torch

from reference import wide_open
from unnoise.denoisers.unet_blindspot import BlindSpotUNet


def _gradients(height: int, width: int, places: list[tuple[int, int]]) -> list[torch.Tensor]:
    """For each place: |∂ output(place) / ∂ input|, summed over channels, (H, W)."""
    network = wide_open(BlindSpotUNet(channels=1, features=2))
    x = torch.rand(1, 1, height, width, dtype=torch.float64, requires_grad=True)
    result = network(x)
    return [
        torch.autograd.grad(result[..., row, column].sum(), x, retain_graph=True)[0].abs().sum((0, 1)) for row, column in places
    ]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (32, 32), (31, 20), (20, 31), (35, 12)])
def test_blind_at_any_size_and_place(size: tuple[int, int]) -> None:
    """The edges at the bottom and right are where a padding by reflection would show a pixel to itself."""
    height, width = size
    rows, columns = {0, height // 2, height - 2, height - 1}, {0, width // 3, width - 2, width - 1}
    places = [(row, column) for row in rows if row >= 0 for column in columns if column >= 0]
    for (row, column), seen in zip(places, _gradients(height, width, places), strict=True):
        assert seen[row, column] == 0
        if height * width > 1:
            assert seen.sum() > 0


def test_sees_its_neighbours() -> None:
    """Blindness alone would be met by a network that sees nothing."""
    (seen,) = _gradients(32, 32, [(13, 18)])
    around = seen[12:15, 17:20] > 0
    assert around.sum() == 8
    assert not around[1, 1]


def test_parameters_at_golden_size() -> None:
    assert BlindSpotUNet(features=8).parameter_count() == 314_811
