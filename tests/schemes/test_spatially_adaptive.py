"""The share of texture against its definition pixel by pixel, and the loss that it weights."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers
from unnoise.errors import UsageError
from unnoise.schemes.spatially_adaptive import SpatiallyAdaptive, texture_share
from unnoise.schemes.teachers import TeacherChoice


def _by_definition(image: Tensor) -> Tensor:
    grey = F.pad(image.mean(1, keepdim=True), (3, 3, 3, 3), mode="reflect")
    result = torch.zeros(len(image), 1, *image.shape[-2:], dtype=image.dtype)
    for n in range(len(image)):
        for row in range(image.shape[-2]):
            for column in range(image.shape[-1]):
                spread = grey[n, 0, row : row + 7, column : column + 7].std(unbiased=False).item()
                at = spread - 1 if spread < 1 else spread - 5 if spread > 5 else 0.0
                result[n, 0, row, column] = 1 / (1 + math.exp(-at))
    return result


def test_share_of_texture() -> None:
    """Flat, in between, and texture."""
    scale = torch.linspace(0, 12, 24, dtype=torch.float64)
    image = 120 + torch.randn(2, 3, 10, 24, dtype=torch.float64) * scale
    share = texture_share(image)
    torch.testing.assert_close(share, _by_definition(image))
    assert share.min() < 0.4
    assert share.max() > 0.6
    assert (share == 0.5).any()


class _Teachers:
    """Two constant targets."""

    count = 2

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets
        self.count = len(targets)

    def __call__(self, noisy: Tensor, values: tuple[float, float], generator: torch.Generator | None = None) -> Tensor:
        return self.targets


def _bound(targets: Tensor, network: denoisers.Denoiser) -> SpatiallyAdaptive:  # type: ignore[name-defined]
    scheme = SpatiallyAdaptive(teachers=(TeacherChoice(model="flat"), TeacherChoice(model="texture")))
    return scheme.bind(lambda *_: _Teachers(targets), network)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("name", ["unet-nearest", "tbsn-student"])
def test_loss(name: str) -> None:
    """In either value range the deviation counts in steps of 255."""
    network = denoisers.create(name, width=2)
    white = network.value_range[1]
    noisy, flat, texture = (torch.rand(2, 3, 12, 12) * white for _ in range(3))
    share = texture_share(flat * 255 / white)
    loss = _bound(torch.stack([flat, texture]), network).loss(lambda x: 0.5 * x, noisy)
    expected = ((1 - share) * (0.5 * noisy - flat).abs()).mean() + (share * (0.5 * noisy - texture).abs()).mean()
    torch.testing.assert_close(loss, expected)


def test_two_teachers_are_needed() -> None:
    with pytest.raises(UsageError, match=r"needs two targets.* got 3"):
        _bound(torch.zeros(3, 1, 3, 8, 8), denoisers.create("unet-nearest", width=2))
