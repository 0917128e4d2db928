"""Restormer's feed-forward part: its equation written out plainly, and strips that are what the whole is in less memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.denoisers.gated_feedforward import GatedFeedForward
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.layers.norms import ChannelNorm, NormKind
from unnoise.layers.partial.row_chunks import force_chunking


def _part(bias: bool, kind: NormKind, channels: int = 6, hidden: int = 16) -> tuple[GatedFeedForward, ChannelNorm]:
    torch.manual_seed(0)
    layer, norm = GatedFeedForward(channels, hidden, bias), ChannelNorm(channels, kind, eps=1e-5)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    return layer, norm


@settings(deadline=None)
@given(st.booleans(), st.sampled_from(["BiasFree", "WithBias"]), st.integers(1, 3), st.integers(1, 40), st.integers(1, 9))
def test_strips_are_what_the_whole_is(bias: bool, kind: NormKind, batch: int, height: int, width: int) -> None:
    layer, norm = _part(bias, kind)
    x = torch.randn(batch, 6, height, width).contiguous(memory_format=torch.channels_last)
    gate, values = layer.dwconv(layer.project_in(norm(x))).chunk(2, dim=1)
    as_in_the_paper = x + layer.project_out(F.gelu(gate) * values)
    with torch.inference_mode():
        whole = layer(x.clone(memory_format=torch.channels_last), norm)
        with force_chunking():
            strips = layer(x.clone(memory_format=torch.channels_last), norm)
    torch.testing.assert_close(strips, whole, rtol=1e-5, atol=1e-6)  # of maps so small the library chooses other sums
    torch.testing.assert_close(strips, as_in_the_paper, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("bias", "share"), [(False, 0.35), (True, 1.01)])
def test_strips_take_a_part_of_the_memory(bias: bool, share: float) -> None:
    """With a bias what lies around the picture would be no zeros: then nothing is cut."""
    layer, norm = _part(bias, "BiasFree", hidden=64)
    x = torch.randn(1, 6, 96, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        whole = peak_bytes(lambda: layer(x, norm))
        with force_chunking():
            assert peak_bytes(lambda: layer(x, norm)) <= share * whole
