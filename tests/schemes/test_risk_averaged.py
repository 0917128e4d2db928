"""Averaging blind spots by their estimated risk: against the true errors, which the scheme does not see."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unnoise import denoisers
from unnoise.errors import UsageError
from unnoise.schemes.risk_averaged import RiskAveraged
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot


class Rings(nn.Module):
    """For each hole k the mean of the pixels at the distance k in rows or columns: blind, and the blurrier the larger k."""

    def forward_blind_spots(self, x: Tensor, blind_spots: Sequence[int]) -> Tensor:
        results = []
        for k in blind_spots:
            kernel = torch.ones(2 * k + 1, 2 * k + 1)
            kernel[1:-1, 1:-1] = 0
            kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1, -1)
            results.append(F.conv2d(F.pad(x, (k, k, k, k), mode="replicate"), kernel, groups=x.shape[1]))
        return torch.stack(results)


def _noisy(clean: Tensor, level: float, seed: int) -> Tensor:
    white = torch.randn(
        (*clean.shape[:-2], clean.shape[-2] + 1, clean.shape[-1] + 1), generator=torch.Generator().manual_seed(seed)
    )
    return clean + level * 2 * F.avg_pool2d(white, 2, 1)  # correlation a half at distance one


def _scene(side: int = 192) -> Tensor:
    """A ramp downwards; on the right with waves of nine pixels."""
    scene = torch.linspace(0.3, 0.7, side)[:, None].expand(1, 3, side, side).clone()
    scene[..., side // 2 :] += 0.15 * torch.sin(torch.arange(side // 2) * 2 * torch.pi / 9)
    return scene


def _error(result: Tensor, clean: Tensor) -> float:
    return float((result - clean).square().mean())


@pytest.mark.parametrize("level", [0.02, 0.05, 0.1])
def test_nearer_to_the_clean_picture_than_every_single_hole_and_the_noisy_one(level: float) -> None:
    clean = _scene()
    noisy = _noisy(clean, level, 0)
    scheme = RiskAveraged(blind_spot_sizes=(1, 2, 3))
    singles = [_error(result, clean) for result in Rings().forward_blind_spots(noisy, (1, 2, 3))]
    assert _error(scheme.restore(Rings(), noisy), clean) < min(*singles, _error(noisy, clean))


def test_each_part_gets_what_suits_it() -> None:
    """The waves come through and the flat part loses its noise, in one picture."""
    clean = _scene()
    noisy = _noisy(clean, 0.05, 1)
    result = RiskAveraged(blind_spot_sizes=(1, 2, 3), temperature=0.1).restore(Rings(), noisy)
    flat, waves = slice(0, 80), slice(112, 192)
    assert _error(result[..., flat], clean[..., flat]) < 0.25 * _error(noisy[..., flat], clean[..., flat])
    assert _error(result[..., waves], clean[..., waves]) < 1.05 * _error(noisy[..., waves], clean[..., waves])


def test_a_picture_without_noise_stays() -> None:
    clean = _scene()
    result = RiskAveraged(blind_spot_sizes=(1, 2)).restore(Rings(), clean)
    assert _error(result, clean) < 0.01 * min(_error(single, clean) for single in Rings().forward_blind_spots(clean, (1, 2)))


def test_trains_as_its_parent_and_repeats_itself() -> None:
    network = denoisers.create("tmbsn", features=8, groups=1, blocks=1)
    noisy = torch.rand(2, 3, 40, 33)
    scheme = RiskAveraged(train_hole=5, blind_spot_sizes=(1, 2, 4))
    assert torch.equal(scheme.loss(network, noisy), TunableBlindSpot(train_hole=5).loss(network, noisy))
    with torch.inference_mode():
        assert torch.equal(scheme.restore(network, noisy), scheme.restore(network, noisy))


@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_size_and_never_beyond_what_was_averaged(height: int, width: int) -> None:
    network = Rings()
    noisy = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * 41 + width))
    result = RiskAveraged(blind_spot_sizes=(1, 2)).restore(network, noisy)
    candidates = torch.cat([network.forward_blind_spots(noisy, (1, 2)), noisy[None]])
    assert result.shape == noisy.shape
    assert (result >= candidates.min(0).values - 1e-5).all()
    assert (result <= candidates.max(0).values + 1e-5).all()


def test_holes_that_the_network_cannot_take() -> None:
    with pytest.raises(UsageError, match="odd number"):
        RiskAveraged(train_hole=9, blind_spot_sizes=(1, 2)).check(denoisers.lookup("atbsn"))


def test_recipes_of_old_spelling_are_read() -> None:
    old = RiskAveraged.model_validate({"name": "risk-averaged-blind-spot", "holes": [1, 3]})
    assert old == RiskAveraged(blind_spot_sizes=(1, 3))
    assert "holes" not in old.model_dump()
