"""Narrowing a map to places around what is wanted leaves these places' values, and their distances within a piece, as they were."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.layers.partial.shrinking_halo import ShrinkingHalo, dilate_intervals, gather_windows

STRETCHES = st.lists(st.integers(0, 60), min_size=2, max_size=6, unique=True).map(sorted)


def _slices(places: list[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in zip(places[::2], places[1::2], strict=False)]


def _wanted(stretches: list[slice]) -> list[int]:
    return [place for stretch in stretches for place in range(stretch.start, stretch.stop)]


@given(STRETCHES, st.integers(0, 20), st.integers(0, 12), st.integers(1, 7))
def test_what_is_around(places: list[int], more: int, by: int, multiple: int) -> None:
    wanted, length = _slices(places), 60 + more
    kept = _wanted(dilate_intervals(wanted, by, length, multiple))
    assert kept == sorted(set(kept))
    assert set(kept) >= {
        residual_base
        for place in _wanted(wanted)
        for residual_base in range(place - by, place + by + 1)
        if 0 <= residual_base < length
    }
    assert all(any(abs(place - one) < by + multiple for one in _wanted(wanted)) for place in kept)
    stretches = dilate_intervals(wanted, by, length, multiple)
    assert all(stretch.start % multiple == 0 for stretch in stretches)
    assert all(stretch.stop % multiple == 0 or stretch.stop == length for stretch in stretches)


@given(STRETCHES, STRETCHES, st.booleans())
def test_pieces_side_by_side(rows: list[int], columns: list[int], gradient: bool) -> None:
    x = torch.rand(2, 3, 61, 61)
    with torch.enable_grad() if gradient else torch.inference_mode():
        result = gather_windows(x, _slices(rows), _slices(columns))
    assert torch.equal(result, x[..., _wanted(_slices(rows)), :][..., _wanted(_slices(columns))])


@given(STRETCHES, st.integers(0, 9), st.integers(0, 9), st.integers(1, 5))
def test_step_by_step_is_at_once(places: list[int], first: int, second: int, multiple: int) -> None:
    x, wanted = torch.rand(1, 2, 64, 64), _slices(places)
    narrowing = ShrinkingHalo((64, 64), wanted, wanted)
    x_first = narrowing.to(x, max(first, second), multiple)
    narrowed = narrowing.to(narrowing.to(x_first, min(first, second), multiple), 0)
    assert torch.equal(narrowed, x[..., _wanted(wanted), :][..., _wanted(wanted)])


def test_nothing_is_copied_where_all_is_wanted() -> None:
    x = torch.rand(1, 2, 30, 20)
    assert ShrinkingHalo((30, 20), [slice(0, 30)], [slice(0, 20)]).to(x, 0) is x


def _cut(x: Tensor, rows: list[slice], columns: list[slice]) -> Tensor:
    return x[..., _wanted(rows), :][..., _wanted(columns)]


@pytest.mark.parametrize("name", ["dbsn", "ssbsn", "dncnn"])
@settings(max_examples=10, deadline=None)
@given(rows=STRETCHES, columns=STRETCHES, gradient=st.booleans())
def test_several_places_of_a_network(name: str, rows: list[int], columns: list[int], gradient: bool) -> None:
    """Of one that narrows its maps, of one that has no attention here, and of one that just cuts."""
    sizes = {"dbsn": {"modules": 2}, "ssbsn": {"modules": 2, "attention_modules": 0}, "dncnn": {"layers": 4}}[name]
    torch.manual_seed(0)
    network: Denoiser = denoisers.create(name, features=4, **sizes).eval()
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    x = torch.rand(1, 3, 90, 61)
    with torch.enable_grad() if gradient else torch.inference_mode():
        expected = _cut(network(x), _slices(rows), _slices(columns))
        result = network.parts(x, _slices(rows), _slices(columns))
    assert result.shape == expected.shape
    assert (result - expected).abs().max() <= 1e-5 * expected.abs().max()


@settings(max_examples=10, deadline=None)
@given(start=st.integers(20, 100), length=st.integers(1, 100))
def test_attention_sees_what_is_kept(start: int, length: int) -> None:
    """With attention a part is near to the whole's and not equal to it, whose mean and tokens are those of all the picture."""
    assume(start + length <= 140)
    torch.manual_seed(1)
    network = denoisers.create("ssbsn", features=16, modules=3, attention_modules=2).eval()
    x, wanted = torch.rand(1, 3, 160, 40) * 255, (slice(start, start + length), slice(0, 40))
    with torch.inference_mode():
        whole, part = network(x), network.forward_region(x, wanted)
    spread = whole.std()
    assert spread > 0
    assert (part - whole[..., *wanted]).abs().mean() < 0.2 * spread
