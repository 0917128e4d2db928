"""R³ against its definition."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.schemes.r3 import R3


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
