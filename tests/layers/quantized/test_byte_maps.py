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
from unnoise.layers import weight_cache
from unnoise.layers.quantized import byte_maps as bytewise_module
from unnoise.layers.quantized.byte_maps import (
    LEVELS_ABOVE_ZERO,
    LEVELS_BELOW_ZERO,
    ZERO_POINT,
    convolve_bytes,
    convolve_image_to_bytes,
    quantize,
)
from unnoise.layers.quantized.int8 import (
    MAX_LAYOUTS,
    MAX_WEIGHT,
    int8_inference,
    runs_in_int8,
    upsample_and_concatenate,
    weight_scales,
)
from unnoise.layers.weight_cache import cached_weights

pytestmark = needs_int8

SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 40), st.integers(1, 33))
LEAVING = st.integers(1, 40)
SLOPE = 0.1


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Of small pictures too some rows are worked out at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bytewise_module, "CHUNK_VALUES", 2000)
        yield


def _layer(in_channels: int, out_channels: int) -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    assert layer.bias is not None
    return layer, layer.bias


def _bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)


def _steps(exact: Tensor, most: int) -> Tensor:
    """So large that the largest of each channel has `most` of them: where there are fewer, it saturates."""
    return exact.amax((0, 2, 3)).clamp_min(1e-3).float() / most


def _assert_counted(y: Tensor, exact: Tensor, scales: Tensor) -> None:
    assert y.dtype == torch.uint8
    assert y.shape == exact.shape
    wanted = (exact / scales[:, None, None]).clamp(-LEVELS_BELOW_ZERO, LEVELS_ABOVE_ZERO)
    assert (
        y.float() - ZERO_POINT - wanted
    ).abs().max() <= 0.502  # rounded to the nearest, but for what float32 makes of a half


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, out_channels=LEAVING, most=st.sampled_from([150, LEVELS_ABOVE_ZERO, 220]))
@torch.inference_mode()
def test_a_layer_gives_what_exact_arithmetic_gives_rounded(
    shape: tuple[int, int, int, int], out_channels: int, most: int
) -> None:
    (layer, bias), x = _layer(shape[1], out_channels), _bytes(*shape)
    step = weight_scales(layer.weight)
    whole = (layer.weight / step).round()
    exact = F.leaky_relu(F.conv2d(x.double() - ZERO_POINT, (whole * step).double(), bias.double(), padding=1), SLOPE)
    scales = _steps(exact, most)
    _assert_counted(convolve_bytes(layer, SLOPE, lambda: (whole, step), x, scales), exact, scales)
    bare = convolve_bytes(layer, SLOPE, lambda: (whole, step), x, None)
    assert bare.dtype == torch.float32
    assert (bare - exact).abs().max() <= 1e-5 * exact.abs().max()


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, out_channels=LEAVING, most=st.sampled_from([150, LEVELS_ABOVE_ZERO, 220]))
@torch.inference_mode()
def test_the_image_is_counted(shape: tuple[int, int, int, int], out_channels: int, most: int) -> None:
    layer, _ = _layer(shape[1], out_channels)
    x = torch.rand(*shape).contiguous(memory_format=torch.channels_last)
    exact = F.leaky_relu(layer(x), SLOPE)
    scales = _steps(exact, most)
    _assert_counted(convolve_image_to_bytes(layer, SLOPE, x, scales), exact, scales)


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES)
def test_counting_rounds_and_saturates(shape: tuple[int, int, int, int]) -> None:
    y = (100 * torch.randn(*shape)).contiguous(memory_format=torch.channels_last)
    assert torch.equal(quantize(y).float() - ZERO_POINT, y.round().clamp(-LEVELS_BELOW_ZERO, LEVELS_ABOVE_ZERO))


@given(shape=SHAPES, beside=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_doubled_beside_a_skip(shape: tuple[int, int, int, int], beside: int) -> None:
    x, skip = _bytes(*shape), _bytes(shape[0], beside, 2 * shape[2], 2 * shape[3])
    both = upsample_and_concatenate(x, skip)
    assert both.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(both[:, : shape[1]].float(), F.interpolate(x.float(), scale_factor=2.0))
    assert torch.equal(both[:, shape[1] :], skip)


def test_whole_numbers_are_of_one_byte() -> None:
    weight = torch.randn(5, 3, 3, 3)
    weight[2] = 0
    whole = weight / weight_scales(weight)
    assert torch.allclose(
        whole.abs().amax((1, 2, 3)), torch.tensor([MAX_WEIGHT, MAX_WEIGHT, 0, MAX_WEIGHT, MAX_WEIGHT]).float()
    )


def test_it_lasts_as_long_as_its_context_and_never_where_a_gradient_is_wanted() -> None:
    x = torch.zeros(1)
    with torch.no_grad():
        assert not runs_in_int8(x)
        with int8_inference():
            assert runs_in_int8(x)
        assert not runs_in_int8(x)
    with int8_inference():
        assert not runs_in_int8(x)


@torch.inference_mode()
def test_the_library_s_orders_of_many_shapes_are_not_all_kept() -> None:
    (layer, _), network = _layer(3, 4), nn.Sequential()
    whole, asked = (layer.weight * 50).round(), []

    def weights() -> tuple[Tensor, Tensor]:
        asked.append(1)
        return whole, torch.ones(4, 1, 1, 1)

    with cached_weights(network):
        for side in range(1, 20):
            convolve_bytes(layer, SLOPE, weights, _bytes(1, 3, side, side), torch.ones(4))
        kernel, _ = weight_cache.cached(layer, "bytes", lambda: None)  # type: ignore[misc]
    assert len(asked) == 1
    assert len(kernel.layouts) == MAX_LAYOUTS
