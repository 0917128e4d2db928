"""Doubling and a convolution after it as one, against the two, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unnoise.layers.upsample_convolution import convolve_upsampled


@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)), form=st.sampled_from(["zeros", "replicate", "upward"]))
def test_doubling_is_taken_into_the_kernel(size: tuple[int, int], form: str) -> None:
    layer = nn.Conv2d(5, 4, 3, padding=1, padding_mode="replicate" if form == "replicate" else "zeros")
    x, skip = (torch.randn(2, 3, *size, requires_grad=True), torch.randn(2, 2, 2 * size[0], 2 * size[1], requires_grad=True))
    joined = torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1)
    upward = form == "upward"
    expected = F.conv2d(F.pad(joined, (1, 1, 2, 0)), layer.weight, layer.bias) if upward else layer(joined)
    with torch.no_grad():
        torch.testing.assert_close(convolve_upsampled(layer, x, skip, upward=upward), expected.detach(), atol=1e-5, rtol=1e-4)
    mine, slope = convolve_upsampled(layer, x, skip, upward=upward), torch.randn_like(expected)
    torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-4)
    in_channels = [layer.weight, layer.bias, x, skip]
    for gradient, right in zip(*(torch.autograd.grad((y * slope).sum(), in_channels) for y in (mine, expected)), strict=True):
        torch.testing.assert_close(gradient, right, atol=1e-4, rtol=1e-4)
