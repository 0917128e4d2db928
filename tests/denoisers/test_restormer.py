"""Restormer's blocks and its sizes. The whole network: test_amsnet_denoisers; its attention: test_channel_attention."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import denoisers
from unnoise.denoisers.restormer import Restormer, TransformerBlock


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
        inplace = x.contiguous(memory_format=memory_format).requires_grad_()
        y = block(inplace)
        results.append((y, *torch.autograd.grad((y * y.detach().sin()).sum(), [inplace, *block.parameters()])))
    torch.testing.assert_close(*results)


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
