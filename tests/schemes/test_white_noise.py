"""White noise that is added in training, and measured at inference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unnoise import denoisers, recipes
from unnoise.models.model import fresh
from unnoise.regions import RegionSource
from unnoise.rng import PositionalGenerator
from unnoise.schemes.white_noise import WhiteNoise


class _Recorder(nn.Module):
    """Keeps what it was shown and told."""

    takes_noise_level = True
    value_range = (0.0, 1.0)

    def __init__(self, white: float = 1.0) -> None:
        super().__init__()
        self.value_range = (0.0, white)

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        self.seen, self.level = x, level
        return x


def test_the_noise_has_the_level_that_is_told() -> None:
    network, clean = _Recorder(), torch.full((6, 3, 64, 64), 0.5)
    loss = WhiteNoise(levels=(10, 60)).loss(network, clean, torch.Generator().manual_seed(1))
    assert network.level is not None
    found = (network.seen - clean).flatten(1).std(1)
    torch.testing.assert_close(found, network.level, rtol=0.03, atol=0)
    assert network.level.min() >= 10 / 255
    assert network.level.max() <= 60 / 255
    assert network.level.unique().numel() == 6
    assert loss.item() == pytest.approx(network.level.square().mean().item(), rel=0.03)
    absolute = WhiteNoise(levels=(10, 60), error="absolute").loss(network, clean, torch.Generator().manual_seed(1))
    assert absolute.item() == pytest.approx(network.level.mean().item() * (2 / torch.pi) ** 0.5, rel=0.03)


def test_levels_follow_the_value_range() -> None:
    network, clean = _Recorder(255.0), torch.full((2, 3, 64, 64), 127.0)
    scheme = WhiteNoise(levels=(20, 20)).bind(lambda *_: None, network)  # type: ignore[arg-type,return-value]
    scheme.loss(network, clean)
    assert network.level is not None
    assert network.level.tolist() == pytest.approx([20.0, 20.0])
    assert (network.seen - clean).std().item() == pytest.approx(20, rel=0.03)
    WhiteNoise(level=30).restore(network, clean)
    assert network.level.tolist() == pytest.approx([30.0, 30.0])


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_the_level_of_the_whole_picture_is_measured(white: float) -> None:
    draws = torch.Generator().manual_seed(0)
    network = _Recorder(white)
    noisy = white * (0.5 + torch.tensor([0.03, 0.1])[:, None, None, None] * torch.randn(2, 3, 96, 96, generator=draws))
    WhiteNoise().restore(network, noisy)
    assert network.level is not None
    assert (network.level / white).tolist() == pytest.approx([0.03, 0.1], rel=0.1)
    whole = network.level[1:]
    region = slice(0, 16), slice(32, 64)
    part = WhiteNoise().restore_region(network, RegionSource.of(noisy[1:]), region, 4, 2, PositionalGenerator(0))
    torch.testing.assert_close(part, noisy[1:, :, *region])
    torch.testing.assert_close(network.level, whole)


def test_a_network_that_is_told_nothing_works_as_well() -> None:
    network = denoisers.create("dncnn", features=4, layers=3)
    noisy = torch.rand(1, 3, 8, 8)
    scheme = WhiteNoise(level=10)
    scheme.loss(network, noisy).backward()
    network.eval()
    torch.testing.assert_close(scheme.restore(network, noisy), network(noisy))


def test_levels_in_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="exchange them"):
        WhiteNoise(levels=(50, 10))


@pytest.mark.parametrize("name", ["ffdnet-quick", "drunet-quick", "scunet-quick"])
def test_recipes_make_a_model_that_denoises(name: str) -> None:
    noisy = torch.rand(40, 33, 3).numpy()
    assert fresh(recipes.load(name)).denoise(noisy).shape == noisy.shape
