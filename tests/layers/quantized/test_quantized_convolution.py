"""Layers that learn to be bytes."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from processes import range_of_a_process
from reference import needs_int8
from unnoise.layers.quantized.byte_maps import LEVELS_ABOVE_ZERO, LEVELS_BELOW_ZERO, ZERO_POINT
from unnoise.layers.quantized.int8 import MAX_WEIGHT, int8_inference
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution


def _pair() -> tuple[QuantizedConvolution, QuantizedConvolution]:
    torch.manual_seed(0)
    first = QuantizedConvolution(3, 8)
    return first, QuantizedConvolution(8, 6).set_sources(first)


def _picture() -> Tensor:
    return torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=torch.channels_last)


def _steps(layer: QuantizedConvolution) -> Tensor:
    scales = layer.scales()
    assert scales is not None
    return scales[:, None, None]


def test_results_are_whole_steps_and_the_first_batch_shows_how_large() -> None:
    first, second = _pair()
    inner = first(_picture())
    exact = F.leaky_relu(F.conv2d(inner, second.fake_quantized_weight(), second.conv.bias, padding=1), 0.1)
    y = second(inner)
    assert ((y - exact).abs() <= 0.501 * _steps(second)).all()  # nothing saturates yet
    whole = y / _steps(second)
    assert (whole - whole.round()).abs().max() < 1e-3
    used = torch.maximum(whole.amax((0, 2, 3)) / LEVELS_ABOVE_ZERO, -whole.amin((0, 2, 3)) / LEVELS_BELOW_ZERO)
    assert torch.allclose(used, torch.ones(6), atol=1e-2)  # all of the steps, above or below zero
    before = _steps(second).clone()
    louder = second(first(3 * _picture())) / before
    assert torch.equal(_steps(second), before)
    assert -LEVELS_BELOW_ZERO - 1e-3 <= louder.amin() < louder.amax() <= LEVELS_ABOVE_ZERO + 1e-3


def test_weights_are_whole_numbers_of_what_enters() -> None:
    first, second = _pair()
    second(first(_picture()))
    whole, step = second.integer_weight()
    assert torch.equal(whole, whole.round())
    assert whole.abs().max() == MAX_WEIGHT
    error = (second.fake_quantized_weight() - second.conv.weight) * _steps(first)
    assert (error.abs() <= 0.5001 * step).all()
    assert torch.equal(first.fake_quantized_weight(), first.conv.weight)  # meets the image itself


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    first, second = _pair()
    x = _picture()
    second(first(x)).sum().backward()
    assert first.conv.weight.grad is not None
    got = first.conv.weight.grad.clone()
    plain = [copy.deepcopy(layer.conv) for layer in (first, second)]
    for layer in plain:
        layer.zero_grad()
    F.leaky_relu(plain[1](F.leaky_relu(plain[0](x), 0.1)), 0.1).sum().backward()
    wanted = plain[0].weight.grad
    assert wanted is not None
    assert torch.nn.functional.cosine_similarity(got.flatten(), wanted.flatten(), 0) > 0.99


@pytest.mark.parametrize("begin", [0.2, 30.0])
def test_the_range_is_learnt(begin: float) -> None:
    """From far too small, where everything saturates, and from far too large, where a few steps are left."""
    layer, x = QuantizedConvolution(1, 1), torch.rand(4, 1, 24, 24)
    log_maximum = layer.log_maximum
    assert log_maximum is not None
    with torch.no_grad():
        layer.conv.weight.zero_()[0, 0, 1, 1] = 1  # the image itself
        layer.conv.bias.zero_()  # type: ignore[union-attr]
        log_maximum.fill_(math.log(begin))
    optimizer = torch.optim.Adam([log_maximum], lr=0.02)
    losses = []
    for _ in range(600):
        loss = (layer(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 10
    assert 0.8 < LEVELS_ABOVE_ZERO * float(_steps(layer)) < 5


def test_weights_that_were_never_counted_can_be_loaded() -> None:
    first, _ = _pair()
    first(_picture())
    fresh = QuantizedConvolution(3, 8)
    fresh.load_state_dict({key: value for key, value in first.state_dict().items() if key != "log_maximum"})
    assert torch.equal(fresh.conv.weight, first.conv.weight)
    assert torch.equal(_steps(fresh), torch.full((8, 1, 1), 1 / LEVELS_ABOVE_ZERO))  # e⁰ not known yet
    fresh.load_state_dict(first.state_dict())
    assert torch.equal(_steps(fresh), _steps(first))


@needs_int8
def test_in_bytes_it_gives_what_it_gave_in_training() -> None:
    first, second = _pair()
    with torch.no_grad():
        x = _picture()
        learnt = second(first(x))
        with int8_inference():
            counted = second(first(x))
    assert counted.dtype == torch.uint8
    away = (counted.float() - ZERO_POINT - learnt / _steps(second)).abs()
    assert away.max() < 1.01
    assert (away > 0.01).float().mean() < 0.02


@needs_int8
def test_doubling_beside_a_skip_is_the_same_in_all_forms() -> None:
    deep, skip = _pair()
    layer = QuantizedConvolution(8 + 6, 5).set_sources(deep, skip)
    x = _picture()
    with torch.no_grad():
        inner = deep(x)
        beside = skip(deep(x.repeat_interleave(2, 2).repeat_interleave(2, 3)))
        learnt = layer.forward_upsampled(inner, beside)
        layer.eval()
        exact = layer.forward_upsampled(inner, beside)
        with int8_inference():
            whole = [(y / _steps(of)).round().add(ZERO_POINT).to(torch.uint8) for y, of in ((inner, deep), (beside, skip))]
            counted = layer.forward_upsampled(*whole)
    away = (counted.float() - ZERO_POINT - learnt / _steps(layer)).abs()
    assert away.max() < 1.01
    assert (away > 0.01).float().mean() < 0.02
    assert 0 < (learnt - exact).abs().max() < 0.05 * exact.amax()


@needs_int8
def test_a_last_layer_is_not_counted() -> None:
    first, _ = _pair()
    layer = QuantizedConvolution(8, 6, rounded=False).set_sources(first)
    x = _picture()
    assert "log_maximum" not in layer.state_dict()
    with torch.no_grad():
        learnt = layer(first(x))
        with int8_inference():
            counted = layer(first(x))
    assert counted.dtype == torch.float32
    assert (counted - learnt).abs().mean() < 1e-4 * learnt.std()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch cannot train in several processes")
def test_processes_that_train_together_agree_on_the_range(tmp_path: Path) -> None:
    """Each sees another batch."""
    torch.multiprocessing.spawn(range_of_a_process, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one.std() > 0
    assert torch.equal(one, other)
