"""PUCA against its layers written out one by one, its blindness, and its published sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import wide_open
from unnoise import denoisers
from unnoise.denoisers.puca import PUCA

SMALL = {"width": 8, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]}
STRIDES = {"train": 4, "restore": 2, "refine": 1}


def _unshuffle(x: Tensor, d: int) -> Tensor:
    """Cut into squares of d×d patches of d×d pixels; patch n of each square becomes channel n."""
    columns = []
    for n in range(d):
        for m in range(d):
            rows = torch.cat([x[..., t * d * d + n * d : t * d * d + (n + 1) * d, :] for t in range(x.shape[-2] // d**2)], -2)
            columns.append(
                torch.cat([rows[..., t * d * d + m * d : t * d * d + (m + 1) * d] for t in range(x.shape[-1] // d**2)], -1)
            )
    return torch.stack(columns, 2).flatten(1, 2)


def _shuffle(x: Tensor, d: int) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // d**2, d * d, height, width)
    result = x.new_zeros(batch, channels // d**2, height * d, width * d)
    for n in range(d):
        for m in range(d):
            for i in range(d):
                for j in range(d):
                    result[..., n * d + i :: d * d, m * d + j :: d * d] = x[:, :, n * d + m, i::d, j::d]
    return result


def _block(w: dict[str, Tensor], at: str, x: Tensor, d: int) -> Tensor:
    def convolve(name: str, x: Tensor, **how: int) -> Tensor:
        return F.conv2d(x, w[f"{at}.{name}.weight"], w[f"{at}.{name}.bias"], **how)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x.movedim(1, -1), x.shape[1:2], w[f"{at}.{name}.weight"], w[f"{at}.{name}.bias"], 1e-6).movedim(
            -1, 1
        )

    def gate(x: Tensor) -> Tensor:
        return x[:, : x.shape[1] // 2] * x[:, x.shape[1] // 2 :]

    y = convolve("conv1", norm("norm1", x))
    y = gate(convolve("conv2", y, padding=d, dilation=d, groups=y.shape[1]))
    y = x + w[f"{at}.beta"] * convolve("conv3", y * convolve("sca.1", y.mean((2, 3), keepdim=True)))
    return y + w[f"{at}.gamma"] * convolve("conv5", gate(convolve("conv4", norm("norm2", y))))


def _as_published(network: PUCA, x: Tensor, stride: int) -> Tensor:
    """The layers one after the other, with PD of features and a border of zeros around each component."""
    w, d = network.state_dict(), network.sizes["dilation"]

    def convolve(name: str, x: Tensor, **how: int) -> Tensor:
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **how)

    def mosaic(parts: list[list[Tensor]]) -> Tensor:
        return torch.cat([torch.cat(row, -1) for row in parts], -2)

    x = convolve("intro", x)
    height, width = x.shape[-2:]
    if stride == 1:
        x = F.pad(x, (2 * d,) * 4, mode="reflect")
    else:
        x = mosaic([[F.pad(x[..., i::stride, j::stride], (d,) * 4) for j in range(stride)] for i in range(stride)])
    masked = w["masked_conv.0.weight"].clone()
    masked[..., d - 1, d - 1] = 0
    x = F.conv2d(x, masked, w["masked_conv.0.bias"], padding=d - 1)
    x = convolve("masked_conv.2", convolve("masked_conv.1", x))
    skips = []
    for level in (0, 1):
        x = _block(w, f"encoders.{level}.0", x, d)
        skips.append(x)
        x = _unshuffle(convolve(f"downs.{level}.0", x), d)
    x = _block(w, "middle_blks.0", x, d)
    for level in (0, 1):
        x = _block(w, f"decoders.{level}.0", _shuffle(convolve(f"ups.{level}.0", x), d) + skips.pop(), d)
    x = convolve("final", x)
    if stride == 1:
        x = x[..., 2 * d : -2 * d, 2 * d : -2 * d]
    else:
        result = x.new_zeros(*x.shape[:2], height, width)
        rows, columns = height // stride + 2 * d, width // stride + 2 * d
        for i in range(stride):
            for j in range(stride):
                part = x[..., i * rows + d : (i + 1) * rows - d, j * columns + d : (j + 1) * columns - d]
                result[..., i::stride, j::stride] = part
        x = result
    for layer in range(4):
        x = convolve(f"tail.{layer}", x)
    return x


def _random(**sizes: object) -> PUCA:
    network = PUCA(**{**SMALL, **sizes}).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


@pytest.mark.parametrize("stage", STRIDES)
def test_the_network_is_the_papers(stage: str) -> None:
    network, x = _random(), torch.rand(1, 3, 24, 16, dtype=torch.float64) * 255
    with torch.no_grad():
        torch.testing.assert_close(network(x, stage=stage), _as_published(network, x, STRIDES[stage]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("stage", STRIDES)
def test_fused_is_the_same(stage: str) -> None:
    network, x = _random(), torch.rand(2, 3, 19, 26) * 255
    with torch.no_grad():
        expected = network(x.double(), stage=stage)
    network.float()
    with torch.inference_mode():
        fused = network(x.contiguous(memory_format=torch.channels_last), stage=stage)
    assert fused.shape == x.shape
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-4


def test_trains_under_autocast() -> None:
    network = PUCA(**SMALL)
    network.initialize("he")
    x = torch.rand(2, 3, 32, 32) * 255
    with torch.autocast("cpu", torch.bfloat16):
        result = network(x, stage="train")
    assert result.dtype == torch.float32
    with torch.no_grad():
        exact = network(x, stage="train")
        assert (result - exact).abs().max() < 0.02 * exact.abs().max()
    result.mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def _gradient(network: PUCA, stage: str, height: int, width: int, row: int, column: int) -> Tensor:
    x = (torch.rand(1, 3, height, width, dtype=torch.float64) * 255).requires_grad_()
    network(x, stage=stage)[..., row, column].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@settings(max_examples=10, deadline=None)
@given(
    stage=st.sampled_from(["train", "restore"]),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
)
def test_blind_in_space_at_any_size_and_place(stage: str, height: int, width: int, place: tuple[float, float]) -> None:
    """Without the weights of the channel attention nothing passes through image-wide means."""
    network = wide_open(PUCA(**SMALL))
    for name, parameter in network.named_parameters():
        if "sca.1.weight" in name:
            torch.nn.init.zeros_(parameter)
    row, column = int(place[0] * height), int(place[1] * width)
    assert _gradient(network, stage, height, width, row, column)[row, column] == 0


def test_refinement_is_blind_away_from_the_reflected_edge() -> None:
    network = wide_open(PUCA(**SMALL))
    for name, parameter in network.named_parameters():
        if "sca.1.weight" in name:
            torch.nn.init.zeros_(parameter)
    gradient = _gradient(network, "refine", 96, 96, 48, 47)
    assert gradient[48, 47] == 0
    assert gradient[47, 47] > 0


def test_what_leaks_through_the_means_is_small() -> None:
    torch.manual_seed(0)
    gradient = _gradient(PUCA(**SMALL).double(), "train", 64, 64, 31, 30)
    assert 0 < gradient[31, 30] < 1e-3 * gradient.sum()


def test_published_size_and_layout() -> None:
    with torch.device("meta"):
        network = PUCA()
        assert network.parameter_count() == 12_783_491
        sizes = PUCA.infer_sizes(network.state_dict())
    assert sizes is not None
    assert sizes | {"strides": [4, 2, 1]} == network.sizes
    small = PUCA(**SMALL)
    assert PUCA.from_weights(small.state_dict() | {"masked_conv.0.mask": torch.ones(8, 8, 3, 3)}) is not None


@pytest.mark.parametrize(
    "sizes", [{"width": 7}, {"strides": [5, 2, 1]}, {"dilation": 1}, {"decoder_blocks": [1]}, {"strides": [2, 1]}]
)
def test_impossible_sizes_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("puca", **sizes)
