"""Convolutions of bytes are those of the numbers that the bytes stand for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reference import needs_int8
from unnoise.denoisers import fused
from unnoise.denoisers.bytewise import (
    STEPS,
    WHOLE,
    bytewise,
    convolve_counted,
    convolve_last,
    counted,
    doubled_beside,
    is_bytewise,
    whole_steps,
)
from unnoise.denoisers.fused import weights_kept

pytestmark = needs_int8

SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 9), st.integers(1, 33))
LEAVING = st.integers(1, 40)


def _layer(entering: int, leaving: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(entering, leaving, 3, padding=1)


def _bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, leaving=LEAVING)
@torch.inference_mode()
def test_a_layer_gives_what_exact_arithmetic_gives_rounded(shape: tuple[int, int, int, int], leaving: int) -> None:
    layer, x = _layer(shape[1], leaving), _bytes(*shape)
    step = whole_steps(layer.weight)
    whole = (layer.weight / step).round()
    exact = F.conv2d(x.double(), (whole * step).double(), layer.bias.double() if layer.bias is not None else None, padding=1)
    steps = exact.amax((0, 2, 3)).clamp_min(1).float() / 200  # of some channels a little is cut off at 255 steps, of none much
    y = convolve_counted(layer, lambda: (whole, step), x, steps)
    assert y.dtype == torch.uint8
    assert y.shape == exact.shape
    wanted = (exact / steps[:, None, None]).clamp(0, STEPS)
    assert (y - wanted).abs().max() <= 0.501  # rounded to the nearest, but for what float32 makes of a half


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, leaving=st.integers(1, 4))
@torch.inference_mode()
def test_the_last_layer_is_exact_to_fifteen_bits(shape: tuple[int, int, int, int], leaving: int) -> None:
    layer, x = _layer(shape[1], leaving), _bytes(*shape)
    entering = torch.rand(shape[1]) + 0.1
    exact = F.conv2d(x.double() * entering[:, None, None], layer.weight.double(), layer.bias.double(), padding=1)  # type: ignore[union-attr]
    largest = whole_steps(layer.weight * entering[:, None, None]).flatten()[
        :, None, None
    ]  # half of such a step in 254 is the error
    many = F.conv2d(x.double(), torch.ones_like(layer.weight).double(), padding=1)
    assert ((convolve_last(layer, x, entering) - exact).abs() <= largest / 254 * many * 0.51 + 1e-5 * exact.abs().amax()).all()


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, leaving=LEAVING)
@torch.inference_mode()
def test_the_image_is_counted(shape: tuple[int, int, int, int], leaving: int) -> None:
    layer = _layer(shape[1], leaving)
    x = torch.rand(*shape).contiguous(memory_format=torch.channels_last)
    exact = layer(x)
    steps = exact.amax((0, 2, 3)).clamp_min(1e-3) / 300
    y = counted(layer, x, steps)
    assert y.dtype == torch.uint8
    assert (y - (exact / steps[:, None, None]).clamp(0, STEPS)).abs().max() <= 0.501


@given(shape=SHAPES, beside=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_doubled_beside_a_skip(shape: tuple[int, int, int, int], beside: int) -> None:
    x, skip = _bytes(*shape), _bytes(shape[0], beside, 2 * shape[2], 2 * shape[3])
    both = doubled_beside(x, skip)
    assert both.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(both[:, : shape[1]].float(), F.interpolate(x.float(), scale_factor=2.0))
    assert torch.equal(both[:, shape[1] :], skip)


def test_whole_numbers_are_of_one_byte() -> None:
    weight = torch.randn(5, 3, 3, 3)
    weight[2] = 0
    whole = weight / whole_steps(weight)
    assert torch.allclose(whole.abs().amax((1, 2, 3)), torch.tensor([WHOLE, WHOLE, 0, WHOLE, WHOLE]).float())


def test_it_lasts_as_long_as_its_context_and_never_where_a_gradient_is_wanted() -> None:
    x = torch.zeros(1)
    with torch.no_grad():
        assert not is_bytewise(x)
        with bytewise():
            assert is_bytewise(x)
        assert not is_bytewise(x)
    with bytewise():
        assert not is_bytewise(x)


@torch.inference_mode()
def test_the_library_s_orders_of_many_shapes_are_not_all_kept() -> None:
    layer, network = _layer(3, 4), nn.Sequential()
    whole, asked = (layer.weight * 50).round(), []

    def weights() -> tuple[Tensor, Tensor]:
        asked.append(1)
        return whole, torch.ones(4, 1, 1, 1)

    with weights_kept(network):
        for side in range(4, 14):
            convolve_counted(layer, weights, _bytes(1, 3, side, side), torch.ones(4))
        (*_, forms) = fused.kept(layer, "bytes", lambda: None)  # type: ignore[misc]
    assert len(asked) == 1
    assert len(forms) == fused.FORMS
