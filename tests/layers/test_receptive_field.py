"""The declared reach, against how far one pixel that is not a number spreads."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unnoise import denoisers


@pytest.mark.parametrize(
    ("name", "sizes", "offsets"),
    [
        ("unet", {"features": 2}, (0, 13)),
        ("unet-blindspot", {"features": 2}, (1, 13)),
        ("deamnet", {"features": 16}, (0, 7)),
        ("dncnn", {"features": 4, "layers": 6}, (0,)),
    ],
)
def test_reach_is_exact(name: str, sizes: dict[str, Any], offsets: tuple[int, ...]) -> None:
    """The first of the offsets is one from which a pixel spreads farthest."""
    network = denoisers.create(name, **sizes).eval().requires_grad_(False)
    step, reach = network.size_multiple, network.receptive_field_radius
    assert reach is not None
    middle = -(-(reach + step) // step) * step
    farthest = []
    for offset in offsets:
        x = torch.rand(1, 3, step, 2 * middle)
        x[..., middle + offset] = torch.nan
        # With gradients enabled: a fused ReLU makes 0 of what is no number.
        spread = network(x).isnan().any(1).any(1)[0].nonzero() - (middle + offset)
        farthest.append(int(spread.abs().max()))
    assert farthest[0] == reach
    assert max(farthest) == reach


@pytest.mark.parametrize("name", ["restormer", "nafnet", "nafnet-baseline"])
def test_attention_over_the_whole_image_has_no_bound(name: str) -> None:
    with torch.device("meta"):
        assert denoisers.create(name).reach is None
