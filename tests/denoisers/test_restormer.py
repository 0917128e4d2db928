"""Restormer's parts against their formulas written out plainly. The whole network: test_amsnet_denoisers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unnoise import denoisers
from unnoise.denoisers.restormer import Attention, Restormer, TransformerBlock
from unnoise.layers.norms import ChannelNorm

FORMATS = pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])


def _attention_as_in_the_paper(layer: Attention, x: torch.Tensor) -> torch.Tensor:
    """Eq. 1, one image and head after another."""
    heads = len(layer.temperature)
    results = []
    for image in layer.qkv_dwconv(layer.qkv(x)):
        queries, keys, values = image.flatten(1).chunk(3)
        parts = []
        for head, (q, k, v) in enumerate(zip(queries.chunk(heads), keys.chunk(heads), values.chunk(heads), strict=True)):
            cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).T
            parts.append(torch.softmax(layer.temperature[head] * cosines, dim=-1) @ v)
        results.append(torch.cat(parts).reshape(x.shape[1:]))
    return layer.project_out(torch.stack(results))


@FORMATS
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_attention(memory_format: torch.memory_format, heads: int, bias: bool) -> None:
    layer = Attention(12, heads, bias).double()
    torch.nn.init.normal_(layer.temperature)
    x = torch.randn(2, 12, 6, 5, dtype=torch.float64).contiguous(memory_format=memory_format)
    x[1, :, :3] = 0
    norm = ChannelNorm(12, "BiasFree", eps=1e-5).double()
    torch.testing.assert_close(layer(x, norm), x + _attention_as_in_the_paper(layer, norm(x)))


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_a_block_in_either_memory_format_learns_the_same(heads: int, bias: bool) -> None:
    """Channels last nothing is cut out, zero channels fill up the vectors, and the norm has a gradient of its own."""
    block = TransformerBlock(12, heads, 33, bias, "BiasFree").double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 12, 6, 5, dtype=torch.float64)
    x[1, :, :3] = 0
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        own = x.contiguous(memory_format=memory_format).requires_grad_()
        y = block(own)
        results.append((y, *torch.autograd.grad((y * y.detach().sin()).sum(), [own, *block.parameters()])))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_attention_of_nothing_learns_nothing_that_is_not_finite(memory_format: torch.memory_format) -> None:
    layer = Attention(4, 2, bias=False)
    nothing = torch.zeros(1, 4, 8, 8).contiguous(memory_format=memory_format).requires_grad_()
    layer(nothing, nn.Identity()).sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_attention_of_nothing_is_finite() -> None:
    """A masked input may be zero everywhere, and then so are the norms of queries and keys."""
    nothing = torch.zeros(1, 4, 8, 8)
    assert Attention(4, 2, bias=False)(nothing, nn.Identity()).isfinite().all()


def test_attention_does_not_overflow_in_half_precision() -> None:
    layer = Attention(4, 2, bias=False)
    for weight in (layer.qkv.weight, layer.qkv_dwconv.weight):
        torch.nn.init.constant_(weight, 1.0)
    x = torch.full((1, 4, 64, 64), 2.0)
    half = layer.half()(x.half(), nn.Identity()).float()
    torch.testing.assert_close(half, layer.float()(x, nn.Identity()), rtol=0.01, atol=0.01)


def test_parameters_with_bias() -> None:
    """The form that the paper trains for deblurring and deraining."""
    with torch.device("meta"):
        assert Restormer(norm="WithBias").parameter_count() == 26_126_644


@settings(max_examples=15, deadline=None)
@given(dim=st.sampled_from([2, 8, 24, 48]), expansion=st.floats(1, 4))
def test_inferred_expansion_gives_the_same_widths(dim: int, expansion: float) -> None:
    with torch.device("meta"):
        network = Restormer(dim=dim, blocks=(1, 1, 1, 1), heads=(1, 1, 1, 1), expansion=expansion)
        sizes = Restormer.infer_sizes(network.state_dict())
        assert sizes is not None
        again = Restormer(**sizes)
    shapes = [{key: value.shape for key, value in each.state_dict().items()} for each in (network, again)]
    assert shapes[0] == shapes[1]


def test_the_published_expansion_is_found_as_published() -> None:
    with torch.device("meta"):
        sizes = Restormer.infer_sizes(Restormer().state_dict())
    assert sizes is not None
    assert sizes == Restormer.infer_sizes(Restormer(**sizes).state_dict())
    assert sizes["expansion"] == 2.66


@pytest.mark.parametrize(
    "sizes", [{"heads": (5, 2, 4, 8)}, {"blocks": (1, 1, 1)}, {"norm": "batch"}, {"dim": 3, "heads": (1, 1, 1, 1)}]
)
def test_impossible_sizes_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("restormer", **sizes)
