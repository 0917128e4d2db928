"""Rounding by chance keeps means, whole numbers, and what is equal."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.inference.dither import DitheredStore, dither
from unnoise.inference.stores import TensorStore


@given(st.floats(0, 300), st.sampled_from([1.0, 1 / 255, 1 / 65535]))
def test_the_mean_stays_and_no_value_moves_by_a_whole_step(value: float, step: float) -> None:
    values = torch.full((1, 1, 64, 64), value * step)
    rounded = dither(values, step)
    steps = rounded / step
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-2)
    assert (rounded - values).abs().max() < 1.01 * step
    assert abs(steps.mean().item() - value) < 0.05


def test_whole_numbers_stay() -> None:
    steps = torch.arange(0, 65536, 7).float().reshape(1, 1, 1, -1)
    assert torch.equal((dither(steps / 65535, 1 / 65535) * 65535).round(), steps)


def test_channels_and_pages_get_the_same_numbers_and_seeds_differ() -> None:
    values = torch.rand(1, 1, 32, 32) * 5
    both = dither(values.expand(2, 3, -1, -1), 1.0)
    assert (both == both[:1, :1]).all()
    assert not torch.equal(dither(values, 1.0, seed=1), dither(values, 1.0))


def test_strips_agree_with_the_whole() -> None:
    values = torch.rand(1, 1, 30, 20) * 5
    store = TensorStore(torch.zeros(1, 1, 30, 20))
    dithered = DitheredStore(store, 1.0)
    for rows in (slice(0, 11), slice(11, 30)):
        dithered.write(rows, values[:, :, rows])
    assert torch.equal(store.tensor, dither(values, 1.0))
    assert torch.equal(dithered.read(slice(0, 2), slice(0, 2)), store.tensor[..., :2, :2])
