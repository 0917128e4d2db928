"""Placed random numbers: uniform, and the same wherever and however many at a time they are drawn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.rng import PositionalGenerator


@given(
    seed=st.integers(0, 2**40),
    top=st.integers(0, 20),
    left=st.integers(0, 20),
    at_once=st.integers(1, 4),
)
def test_a_part_draws_what_the_whole_draws_there(seed: int, top: int, left: int, at_once: int) -> None:
    whole = PositionalGenerator(seed).uniform((4, 3, 30, 40))
    part = PositionalGenerator(seed, top, left)
    drawn = torch.cat([part.uniform((count, 3, 7, 9)) for count in (at_once, 4 - at_once) if count])
    assert torch.equal(drawn, whole[..., top : top + 7, left : left + 9])


def test_uniform_and_independent_of_neighbours_planes_and_seeds() -> None:
    values = PositionalGenerator(5).uniform((3, 400, 400)).double()
    assert 0 <= values.min() < values.max() < 1
    assert torch.histc(values, 20, 0, 1).div(values.numel()).sub(0.05).abs().max() < 1e-3
    centred = values - 0.5
    others = [centred.roll(1, axis) for axis in (0, 1, 2)] + [PositionalGenerator(6).uniform((3, 400, 400)).double() - 0.5]
    for other in others:
        assert abs((centred * other).mean().item() * 12) < 0.01


def test_components_begin_at_their_own_first_pixel() -> None:
    parts = PositionalGenerator(0, 6, 9).coarser(3).uniform((2, 5, 5))
    assert torch.equal(parts, PositionalGenerator(0).uniform((2, 8, 9))[:, 2:7, 3:8])
    assert parts.mean().item() == pytest.approx(0.5, abs=0.2)
