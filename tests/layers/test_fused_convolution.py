"""Fused convolutions against the layers one by one, and every network's fused form against the one that training uses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference import relative_error
from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.layers import fused_convolution as fused
from unnoise.layers import rotations as turns
from unnoise.layers import triton as kernels
from unnoise.layers.fused_convolution import convolve, convolve_unrounded
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.weight_cache import cached_weights

ROUNDING = 5e-4
"""DeamNet's sixty layers in a row, with weights as lively as these, make 1e-4 of rounding; an error of ours would be near 1."""

TINY: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 6, "modules": 1},
    "ssbsn": {"features": 6, "modules": 2, "attention_modules": 1},
    "atbsn": {"width": 5},
    "tmbsn": {"features": 5, "groups": 1, "blocks": 1},
    "tmbsn-student": {"width": 5},
    "tmbsn-student-rounded": {"width": 5},
    "atbsn-student-a": {"width": 5},
    "atbsn-student-b": {"width": 5},
    "atbsn-student-c": {"width": 5},
    "restormer": {"dim": 36, "blocks": (1, 1, 1, 1), "refinement_blocks": 1, "heads": (1, 2, 3, 4), "bias": True},
    "deamnet": {"features": 6},
    "nafnet": {"width": 6, "encoder_blocks": (1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1)},
    "nafnet-baseline": {"width": 6, "encoder_blocks": (1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1)},
    "unet": {"features": 6},
    "unet-blindspot": {"features": 6},
    "dncnn": {"features": 6, "layers": 4},
}


def _lively(name: str) -> Denoiser:
    """Fresh weights of ordinary size, with no scale, bias or statistic at its trivial start."""
    network = denoisers.create(name, **TINY[name]).eval()
    for key, value in [*network.named_parameters(), *network.named_buffers()]:
        if value.is_floating_point() and not key.endswith("mask"):
            with torch.no_grad():
                if value.dim() == 4 and value.shape[0] > 1:
                    nn.init.kaiming_normal_(value)
                else:
                    value.uniform_(0.5, 1)
    return network


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [(32, 32), (21, 38)])
def test_every_network_is_the_same_fused(name: str, size: tuple[int, int]) -> None:
    network = _lively(name)
    x = torch.rand(2, 3, *size) * network.value_range[1]
    slow = network(x).detach()
    assert slow.std() > 0
    with torch.no_grad():
        assert relative_error(network(x), slow) < ROUNDING
        with cached_weights():
            for _ in range(2):
                assert relative_error(network(x.contiguous(memory_format=torch.channels_last)), slow) < ROUNDING


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks take the way that they take on an NVIDIA GPU, with our kernels in Triton's interpreter, and in float32."""
    pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
    monkeypatch.setattr(kernels, "can_run", lambda x: True)
    monkeypatch.setattr(fused, "GPU_DTYPES", (torch.float32,))


@pytest.mark.parametrize("name", TINY)
@pytest.mark.usefixtures("as_on_a_gpu")
def test_every_network_is_the_same_by_our_gpu_kernels(name: str) -> None:
    network = _lively(name)
    size = (8, 8) if name == "restormer" else (9, 18)  # the interpreter takes its time
    x = torch.rand(1, 3, *size) * network.value_range[1]
    slow = network(x).detach()
    with torch.no_grad(), cached_weights(network):
        assert relative_error(network(x), slow) < ROUNDING
        assert relative_error(network(x.contiguous(memory_format=torch.channels_last)), slow) < ROUNDING


@pytest.mark.parametrize("name", ["atbsn", "tmbsn"])
@pytest.mark.parametrize("together", [0, 2**18])
@pytest.mark.usefixtures("as_on_a_gpu")
def test_many_blind_spots_are_the_same_by_our_gpu_kernels(name: str, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MAX_BATCHED_PIXELS", together)
    network = _lively(name)
    x = torch.rand(2, 3, 12, 15) * network.value_range[1]
    sizes = [0, 1, 3, 5]
    slow = network.forward_blind_spots(x, sizes).detach()  # type: ignore[operator]
    with torch.no_grad():
        assert relative_error(network.forward_blind_spots(x, sizes), slow) < ROUNDING  # type: ignore[operator]


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_last_layer_on_a_gpu_is_not_rounded() -> None:
    """Its features and weights are; their sum, which is the image, is not."""
    layer = nn.Conv2d(8, 3, 3, padding=1)
    x = torch.rand(1, 8, 6, 7).bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.bfloat16())
        result = output_convolution(layer, x, torch.zeros(1, 3, 6, 7))
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, layer(x.float()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu", "gelu", "sigmoid"])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
def test_convolution_with_activation(activation: fused.Activation, padding_mode: str) -> None:
    layer = nn.Conv2d(3, 5, 3, padding=1, padding_mode=padding_mode)
    x = torch.randn(2, 3, 7, 6)
    functions = {
        "none": lambda y: y,
        "relu": F.relu,
        "leaky_relu": lambda y: F.leaky_relu(y, 0.2),
        "gelu": F.gelu,
        "sigmoid": torch.sigmoid,
    }
    expected = functions[activation](layer(x)).detach()
    torch.testing.assert_close(fused.convolve(layer, x, activation, slope=0.2).detach(), expected)
    with torch.no_grad():
        torch.testing.assert_close(fused.convolve(layer, x, activation, slope=0.2), expected)


@pytest.mark.parametrize("kernel", [1, 3])
def test_convolution_with_sum(kernel: int) -> None:
    layer, x, plus = nn.Conv2d(3, 5, kernel, padding=kernel // 2), torch.randn(2, 3, 7, 6), torch.randn(2, 5, 7, 6)
    before = plus.clone()
    with torch.no_grad():
        torch.testing.assert_close(fused.convolve(layer, x, plus=plus), layer(x) + plus)
    assert torch.equal(plus, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kernel", [1, 3])
def test_what_is_our_own_takes_the_sum(kernel: int, dtype: torch.dtype) -> None:
    layer = nn.Conv2d(8, 6, kernel, padding=kernel // 2)
    x, plus = torch.randn(2, 8, 7, 6), torch.randn(2, 6, 7, 6).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        before = plus.clone()
        expected = fused.convolve(layer, x, plus=plus)
        assert torch.equal(plus, before)
        result = fused.convolve(layer, x, plus=plus, inplace=True)
        assert result.data_ptr() == plus.data_ptr()
        assert relative_error(result.float(), expected.float()) < (1e-5 if dtype == torch.float32 else 1e-2)
        cut = torch.randn(2, 6, 9, 9)[..., 1:8, 1:7]  # no rows of memory
        assert relative_error(fused.convolve(layer, x, plus=cut, inplace=True).float(), layer(x).float() + cut) < 1e-2


def test_joined_inputs_need_no_joining() -> None:
    layer, one, other = nn.Conv2d(5, 4, 1), torch.randn(2, 3, 7, 6), torch.randn(2, 2, 7, 6)
    with torch.no_grad():
        torch.testing.assert_close(fused.convolve_concatenated(layer, one, other), layer(torch.cat([one, other], dim=1)))


def test_gradients_go_through_the_layers_themselves() -> None:
    layer, x = nn.Conv2d(2, 2, 1), torch.randn(1, 2, 3, 3)
    fused.convolve(layer, x, "relu").sum().backward()
    assert layer.weight.grad is not None
    assert not fused.can_fuse(x)
    with torch.no_grad():
        assert fused.can_fuse(x)
        assert not fused.can_fuse(x.double())


def test_the_first_layer_does_not_round_the_picture() -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)
    layer.weight.data = layer.weight.bfloat16().float()
    picture = 0.75 + 0.25 * torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        exactly, rounded = convolve_unrounded(layer, picture), convolve(layer, picture)
    with torch.no_grad():
        exact = layer(picture)
        assert torch.allclose(convolve_unrounded(layer, picture), exact, atol=1e-6)
    assert (exactly - exact).square().mean() < 0.9 * (rounded - exact).square().mean()
