"""The U-Net's first weights. Published numbers, sizes and paddings: test_amsnet_denoisers."""

from __future__ import annotations

import pytest
import torch

from unnoise import denoisers


@pytest.mark.parametrize("name", ["unet", "unet-blindspot"])
def test_he_initialization_lets_the_picture_through(name: str) -> None:
    """Of the published draw, a tenth for each layer, only the biases are left at the end."""
    x = torch.rand(2, 3, 64, 64)
    spread = {}
    for kind in ("default", "he"):
        torch.manual_seed(0)
        network = denoisers.create(name, features=8)
        network.initialize(kind)  # type: ignore[arg-type]
        before_last: list[torch.Tensor] = []
        network.get_submodule("nin_c").register_forward_pre_hook(lambda _layer, given, kept=before_last: kept.append(given[0]))
        spread[kind] = (network(x).std().item(), before_last[0].std().item())
    assert spread["default"][1] < 1e-2
    assert 0.3 < spread["he"][1] < 3
    assert 0.01 < spread["he"][0] < 0.5  # near black at first, as values are in 0..1
