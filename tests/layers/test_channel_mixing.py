"""Sums and mixtures of channels against torch's own, in both memory formats."""

from __future__ import annotations

import pytest
import torch

from unnoise.layers.channel_mixing import channel_sums, mix_channels

FORMATS = pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])


@FORMATS
def test_mixed_channels_keep_the_memory_format(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 6, 4, 3).contiguous(memory_format=memory_format)
    matrices = torch.randn(2, 5, 6)
    mixed = mix_channels(matrices, x)
    assert mixed.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(mixed, torch.einsum("boc,bchw->bohw", matrices, x))


def test_sums_along_channels_are_exact_to_more_bits_than_their_type_has() -> None:
    x = (torch.randn(2, 40, 5, 7) + 2).bfloat16().contiguous(memory_format=torch.channels_last)
    expected = x.double().sum(1, keepdim=True)
    with torch.no_grad():
        assert (channel_sums(x).double() / expected - 1).abs().max() < 2e-5
        assert (channel_sums(x, exactly=False).double() / expected - 1).abs().max() < 2**-7
    torch.testing.assert_close(channel_sums(x.float()), x.float().sum(1, keepdim=True))
