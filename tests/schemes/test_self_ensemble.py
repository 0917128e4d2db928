"""The self-ensemble against its definition, and its old place."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.schemes import r3
from unnoise.schemes.self_ensemble import self_ensemble


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


def test_its_old_place_still_gives_it() -> None:
    with pytest.warns(DeprecationWarning, match="is now called unnoise.schemes.self_ensemble.self_ensemble"):
        assert r3.self_ensemble is self_ensemble
