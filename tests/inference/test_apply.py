"""Channels, ranges and progress are as the caller expects them."""

from __future__ import annotations

import torch

from unnoise.denoisers.dbsn import DBSN
from unnoise.inference.apply import restore
from unnoise.inference.settings import InferenceSettings
from unnoise.schemes.pd_blind_spot import PDBlindSpot


def test_grey_goes_through_a_colour_network_and_colour_through_a_grey_one() -> None:
    torch.manual_seed(0)
    scheme, colour, grey = PDBlindSpot(), DBSN(features=4, modules=1), DBSN(channels=1, features=4, modules=1)
    settings = InferenceSettings(precision="float32")
    picture = torch.rand(2, 1, 12, 10)
    expected = restore(colour, scheme, picture.expand(-1, 3, -1, -1), settings).mean(1, keepdim=True)
    assert torch.allclose(restore(colour, scheme, picture, settings), expected, atol=1e-6)
    bands = torch.rand(2, 5, 12, 10)
    expected = torch.cat([restore(grey, scheme, bands[:, k : k + 1], settings) for k in range(5)], dim=1)
    assert torch.allclose(restore(grey, scheme, bands, settings), expected, atol=1e-6)


def test_progress_and_mode_are_left_as_they_were() -> None:
    network = DBSN(features=4, modules=1).train()
    seen: list[tuple[int, int]] = []
    restore(
        network,
        PDBlindSpot(),
        torch.rand(2, 3, 40, 20),
        InferenceSettings(tile=16),
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(k + 1, 12) for k in range(12)]
    assert network.training


def test_values_are_those_of_the_network() -> None:
    """In 0..1 outside, in the network's own range inside."""
    network = DBSN(features=4, modules=1)
    for parameter in network.parameters():
        parameter.data.zero_()
    network.tail[-1].bias.data.fill_(51.0)  # type: ignore[union-attr]
    result = restore(network, PDBlindSpot(), torch.rand(1, 3, 8, 8), InferenceSettings(precision="float32"))
    assert torch.allclose(result, torch.full_like(result, 51 / 255))
