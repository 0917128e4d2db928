"""Convolutions in int8 give what exact arithmetic gives, but for what half a step of each value, and of each weight, can make of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reference import needs_int8
from unnoise.layers.fused_convolution import activate, convolve
from unnoise.layers.quantized import dynamic as dynamic_int8
from unnoise.layers.quantized.dynamic import MIN_INPUT_CHANNELS, MIN_PRODUCTS_PER_VALUE, is_better_in_int8, quantize_weights
from unnoise.layers.quantized.int8 import MAX_WEIGHT, int8_inference
from unnoise.layers.upsample_convolution import convolve_upsampled
from unnoise.layers.weight_cache import cached_weights

pytestmark = needs_int8

LAYERS = st.fixed_dictionaries(
    {"kernel_size": st.sampled_from([1, 3, 5]), "dilation": st.sampled_from([1, 2, 3]), "padding": st.integers(0, 4)}
)


def _layer(**sizes: int) -> nn.Conv2d:
    torch.manual_seed(0)
    out_channels = max(25, -(-MIN_PRODUCTS_PER_VALUE // sizes["kernel_size"] ** 2))
    return nn.Conv2d(MIN_INPUT_CHANNELS, out_channels, **sizes).eval()


def _map(*shape: int, least: float = -1.0) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape).clamp_min(least).contiguous(memory_format=torch.channels_last)


def _bound(x: Tensor, weight: Tensor, padding: tuple[int, int], dilation: tuple[int, ...]) -> Tensor:
    """How far half a step of each value, and one of each weight, may move a result at most."""
    step = (max(0.0, x.max().item()) - min(0.0, x.min().item())) / 255
    weight_step = (weight.abs().amax((1, 2, 3)) / MAX_WEIGHT)[:, None, None, None]
    of_values = F.conv2d(torch.full_like(x, step / 2), weight.abs() + weight_step, None, 1, padding, dilation)
    return of_values + F.conv2d(x.abs(), weight_step.expand_as(weight), None, 1, padding, dilation)


@settings(max_examples=60, deadline=None)
@example(
    sizes={"kernel_size": 1, "dilation": 1, "padding": 2},
    shape=(2, 29, 23),
    least=-1.0,
    activation="none",
    piece=2**12,
    adds=False,
)  # the last rows lie in the padding alone
@given(
    sizes=LAYERS,
    shape=st.tuples(st.integers(1, 2), st.integers(13, 40), st.integers(13, 30)),
    least=st.sampled_from([-1.0, 0.0, -0.01]),
    activation=st.sampled_from(["none", "relu", "leaky_relu"]),
    piece=st.sampled_from([2**12, 2**22]),
    adds=st.booleans(),
)
@torch.inference_mode()
def test_a_layer_gives_what_exact_arithmetic_gives_nearly(
    sizes: dict[str, int], shape: tuple[int, int, int], least: float, activation: str, piece: int, adds: bool
) -> None:
    layer, x = _layer(**sizes), _map(shape[0], MIN_INPUT_CHANNELS, *shape[1:], least=least)
    exact = layer(x)
    plus = _map(*exact.shape) if adds else None
    with pytest.MonkeyPatch.context() as patch, cached_weights(layer), int8_inference():
        patch.setattr(dynamic_int8, "CHUNK_VALUES", piece)
        assert is_better_in_int8(x, layer.weight)
        y = convolve(layer, x, "none" if adds else activation, slope=0.1, plus=plus)  # type: ignore[arg-type]
    wanted = exact + plus if plus is not None else activate(exact.clone(), activation, 0.1)  # type: ignore[arg-type]
    assert y.shape == wanted.shape
    assert not torch.equal(y, wanted)  # it is not float32 by another name
    bound = _bound(x, layer.weight, layer.padding, layer.dilation)  # type: ignore[arg-type]
    assert ((y - wanted).abs() <= bound + 1e-5).all()
    assert (y - wanted).square().mean() <= 2e-4 * exact.var()


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 20), st.integers(1, 20)),
    skipped=st.sampled_from([0, 5]),
    upward=st.booleans(),
    piece=st.sampled_from([2**12, 2**22]),
)
@torch.inference_mode()
def test_doubling_too(shape: tuple[int, int, int], skipped: int, upward: bool, piece: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(MIN_INPUT_CHANNELS + skipped, 32, 3, padding=1)
    x = _map(shape[0], MIN_INPUT_CHANNELS, *shape[1:])
    skip = _map(shape[0], skipped, 2 * shape[1], 2 * shape[2]) if skipped else None
    exact = convolve_upsampled(layer, x, skip, upward=upward)
    with pytest.MonkeyPatch.context() as patch, int8_inference():
        patch.setattr(dynamic_int8, "CHUNK_VALUES", piece)
        y = convolve_upsampled(layer, x, skip, upward=upward)
    assert y.shape == exact.shape
    assert not torch.equal(y, exact)
    assert (y - exact).square().mean() <= 5e-4 * exact.square().mean()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 99))
def test_the_sum_of_weights_keeps_what_rounding_takes(out_channels: int, in_channels: int, side: int, seed: int) -> None:
    weight = torch.randn((out_channels, in_channels, side, side), generator=torch.Generator().manual_seed(seed))
    kernel, sums = quantize_weights(weight)
    steps = weight.abs().amax((1, 2, 3)) / MAX_WEIGHT
    assert torch.allclose(kernel.scales, steps)
    error = (kernel.weight.double() * steps[:, None, None, None].double() - weight).flatten(1)
    assert (error.abs() <= 1.001 * steps[:, None]).all()
    # Of every stretch of neighbours, not only of all: at most a step, as each end is at most half a step away. One may be cut at 127.
    running = error.cumsum(1).abs()
    assert (running <= 1.6 * steps[:, None]).all()
    assert torch.allclose(sums, (kernel.weight.float() * steps[:, None, None, None]).sum((1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38])
@torch.inference_mode()
def test_what_cannot_be_counted_is_worked_out_in_float32(value: float) -> None:
    layer, x = _layer(kernel_size=3, padding=1, dilation=1), _map(1, MIN_INPUT_CHANNELS, 16, 16)
    x[0, 0, 3, 3], x[0, 1, 3, 3] = value, -value
    with int8_inference():
        y = convolve(layer, x)
    assert torch.allclose(y, convolve(layer, x), rtol=0, atol=0, equal_nan=True)
    assert torch.isfinite(y[..., 8:, 8:]).all()


@torch.inference_mode()
def test_it_is_for_layers_with_much_to_multiply() -> None:
    x = _map(1, 32, 8, 8)
    dense, depthwise, few, single = (
        torch.zeros(64, 32, 3, 3), torch.zeros(32, 1, 3, 3), torch.zeros(3, 32, 3, 3), torch.zeros(64, 32, 1, 1)
    )  # fmt: skip
    assert not is_better_in_int8(x, dense)
    with int8_inference():
        assert is_better_in_int8(x, dense)
        assert not is_better_in_int8(x, dense.bfloat16())
        assert not is_better_in_int8(x, depthwise, groups=32)
        assert not is_better_in_int8(x, few)
        assert not is_better_in_int8(x, single)
        with torch.inference_mode(mode=False), torch.enable_grad():
            assert not is_better_in_int8(x, dense)


@torch.inference_mode()
def test_a_flat_map_and_one_of_zeros() -> None:
    layer = _layer(kernel_size=3, padding=1, dilation=1)
    for value in (0.0, 0.7, -0.7):
        x = torch.full((1, MIN_INPUT_CHANNELS, 9, 9), value).contiguous(memory_format=torch.channels_last)
        exact = layer(x)
        with int8_inference():
            y = convolve(layer, x)
        assert (y - exact).abs().max() <= 0.01
