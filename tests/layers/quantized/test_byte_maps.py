"""Convolutions of bytes are those of the numbers that the bytes stand for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reference import needs_int8
from unnoise.layers import weight_cache as prepared
from unnoise.layers.quantized import byte_maps as bytewise_module
from unnoise.layers.quantized.byte_maps import DOWN, UP, ZERO, convolve_counted, count, counted
from unnoise.layers.quantized.int8 import FORMS, WHOLE, bytewise, doubled_beside, is_bytewise, whole_steps
from unnoise.layers.weight_cache import cached_weights

pytestmark = needs_int8

SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 40), st.integers(1, 33))
LEAVING = st.integers(1, 40)
SLOPE = 0.1


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Of small pictures too some rows are worked out at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bytewise_module, "CACHED", 2000)
        yield


def _layer(entering: int, leaving: int) -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    layer = nn.Conv2d(entering, leaving, 3, padding=1)
    assert layer.bias is not None
    return layer, layer.bias


def _bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)


def _steps(exact: Tensor, most: int) -> Tensor:
    """So large that the largest of each channel has `most` of them: where there are fewer, it saturates."""
    return exact.amax((0, 2, 3)).clamp_min(1e-3).float() / most


def _assert_counted(y: Tensor, exact: Tensor, steps: Tensor) -> None:
    assert y.dtype == torch.uint8
    assert y.shape == exact.shape
    wanted = (exact / steps[:, None, None]).clamp(-DOWN, UP)
    assert (y.float() - ZERO - wanted).abs().max() <= 0.502  # rounded to the nearest, but for what float32 makes of a half


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, leaving=LEAVING, most=st.sampled_from([150, UP, 220]))
@torch.inference_mode()
def test_a_layer_gives_what_exact_arithmetic_gives_rounded(shape: tuple[int, int, int, int], leaving: int, most: int) -> None:
    (layer, bias), x = _layer(shape[1], leaving), _bytes(*shape)
    step = whole_steps(layer.weight)
    whole = (layer.weight / step).round()
    exact = F.leaky_relu(F.conv2d(x.double() - ZERO, (whole * step).double(), bias.double(), padding=1), SLOPE)
    steps = _steps(exact, most)
    _assert_counted(convolve_counted(layer, SLOPE, lambda: (whole, step), x, steps), exact, steps)
    bare = convolve_counted(layer, SLOPE, lambda: (whole, step), x, None)
    assert bare.dtype == torch.float32
    assert (bare - exact).abs().max() <= 1e-5 * exact.abs().max()


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, leaving=LEAVING, most=st.sampled_from([150, UP, 220]))
@torch.inference_mode()
def test_the_image_is_counted(shape: tuple[int, int, int, int], leaving: int, most: int) -> None:
    layer, _ = _layer(shape[1], leaving)
    x = torch.rand(*shape).contiguous(memory_format=torch.channels_last)
    exact = F.leaky_relu(layer(x), SLOPE)
    steps = _steps(exact, most)
    _assert_counted(counted(layer, SLOPE, x, steps), exact, steps)


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES)
def test_counting_rounds_and_saturates(shape: tuple[int, int, int, int]) -> None:
    y = (100 * torch.randn(*shape)).contiguous(memory_format=torch.channels_last)
    assert torch.equal(count(y).float() - ZERO, y.round().clamp(-DOWN, UP))


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
    (layer, _), network = _layer(3, 4), nn.Sequential()
    whole, asked = (layer.weight * 50).round(), []

    def weights() -> tuple[Tensor, Tensor]:
        asked.append(1)
        return whole, torch.ones(4, 1, 1, 1)

    with cached_weights(network):
        for side in range(1, 20):
            convolve_counted(layer, SLOPE, weights, _bytes(1, 3, side, side), torch.ones(4))
        kernel, _ = prepared.kept(layer, "bytes", lambda: None)  # type: ignore[misc]
    assert len(asked) == 1
    assert len(kernel.orders) == FORMS
