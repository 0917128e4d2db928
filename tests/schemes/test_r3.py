"""R³ and the self-ensemble against their definitions."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.schemes.r3 import R3, self_ensemble


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("replacement", ["value", "pixel"])
def test_each_position_is_put_back_with_the_given_probability(replacement: Literal["value", "pixel"]) -> None:
    noisy, estimate = torch.ones(1, 3, 200, 200), torch.zeros(1, 3, 200, 200)
    seen: list[torch.Tensor] = []

    def network(mixed: torch.Tensor) -> torch.Tensor:
        seen.append(mixed)
        return mixed

    result = R3(draws=4, probability=0.16)(network, noisy, estimate, replacement, _generator())
    mixed = torch.cat(seen)
    assert set(mixed.unique().tolist()) == {0.0, 1.0}
    assert mixed.mean().item() == pytest.approx(0.16, abs=0.01)
    together = (mixed == mixed[:, :1]).all().item()
    assert together == (replacement == "pixel")
    assert torch.allclose(result, mixed.mean(0, keepdim=True))


@given(at_once=st.integers(1, 9), batch=st.integers(1, 2))
def test_batching_the_draws_changes_nothing(at_once: int, batch: int) -> None:
    noisy, estimate = torch.rand(batch, 3, 6, 5), torch.rand(batch, 3, 6, 5)
    one = R3()(lambda x: x * 2, noisy, estimate, "value", _generator())
    many = R3()(lambda x: x * 2, noisy, estimate, "value", _generator(), at_once)
    assert torch.allclose(one, many, atol=1e-6)


def test_self_ensemble_is_the_mean_over_the_square_symmetries() -> None:
    """A network that returns a fixed ramp tells, for each symmetry, how its result was turned back."""
    ramp = torch.arange(12.0).reshape(1, 1, 3, 4)

    def network(x: torch.Tensor) -> torch.Tensor:
        return ramp if x.shape[-2:] == (3, 4) else ramp.transpose(-1, -2)

    result = self_ensemble(network, torch.zeros(1, 1, 3, 4))
    assert torch.allclose(result, torch.full_like(result, 5.5))  # each pixel meets each of its four mirror images twice


@given(height=st.integers(1, 6), width=st.integers(1, 6))
def test_self_ensemble_of_an_equivariant_network_is_the_network(height: int, width: int) -> None:
    noisy = torch.rand(2, 3, height, width)
    assert torch.allclose(self_ensemble(lambda x: x**2, noisy), noisy**2)
