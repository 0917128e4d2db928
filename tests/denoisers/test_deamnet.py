"""DeamNet's dead weights. The whole network: test_amsnet_denoisers."""

from __future__ import annotations

import torch

from unnoise.denoisers.deamnet import DeamNet

DEAD = ("net2.conv_dila1.", "net2.conv_dila2.", "net2.conv_dila3.", "net2.cat1.")


def test_dead_weights_are_counted_but_not_trained() -> None:
    with torch.device("meta"):
        network = DeamNet()
    dead = {key: value for key, value in network.named_parameters() if key.startswith(DEAD)}
    assert sum(value.numel() for value in dead.values()) == 352_512
    assert {key for key, value in network.named_parameters() if not value.requires_grad} == set(dead)


def test_dead_weights_change_nothing_and_all_others_do() -> None:
    network = DeamNet(features=16).requires_grad_(False)
    x = torch.rand(1, 3, 16, 32)
    # With gradients enabled, though none is asked for: a fused ReLU makes 0 of what is no number.
    expected = network(x)
    for key, value in network.named_parameters():
        kept = value.clone()
        value.fill_(torch.nan)
        assert torch.equal(network(x), expected) == key.startswith(DEAD), key
        value.copy_(kept)
