"""LG-BPN against its published operations written out plainly, its blindness, and its published sizes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import wide_open
from unnoise import denoisers
from unnoise.denoisers.lgbpn import LGBPN, DenseSampledConv2d

SMALL = {"features": 8, "modules": 1, "blocks": 1, "head_features": 4}


def _sampled(layer: DenseSampledConv2d, x: Tensor, ratio: float) -> Tensor:
    """Each tap of the masked kernel looks at a point between pixels, interpolated bilinearly, on the reflected picture."""
    k = layer.kernel_size[0]
    radius, (height, width) = k // 2, x.shape[-2:]
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    result = layer.bias[:, None, None].expand(len(x), -1, height, width).clone()
    for i in range(k):
        for j in range(k):
            y, z = (i - radius) * ratio, (j - radius) * ratio
            if abs(i - radius) + abs(j - radius) <= 4 or (i - radius) % layer.step or (j - radius) % layer.step:
                continue
            top, left = math.floor(y), math.floor(z)
            for row, share in ((top, 1 - y + top), (top + 1, y - top)):
                for column, part in ((left, 1 - z + left), (left + 1, z - left)):
                    if share * part > 0:
                        seen = padded[..., radius + row :, radius + column :][..., :height, :width]
                        result = result + share * part * torch.einsum("oc,bchw->bohw", layer.weight[..., i, j], seen)
    return result


@settings(max_examples=8, deadline=None)
@given(
    kind=st.sampled_from([(9, 1), (21, 2)]), ratio=st.sampled_from([1.0, 0.8, 0.72, 0.5, 0.46, 0.43]), size=st.integers(12, 24)
)
def test_the_dense_sampled_convolution(kind: tuple[int, int], ratio: float, size: int) -> None:
    layer = DenseSampledConv2d(2, 3, *kind).double()
    x = torch.rand(1, 2, size, size + 1, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, ratio), _sampled(layer, x, ratio))


def _local_body(w: dict[str, Tensor], x: Tensor) -> Tensor:
    def convolve(name: str, x: Tensor, **how: int) -> Tensor:
        return F.conv2d(x, w[f"branch1.body.{name}.weight"], w[f"branch1.body.{name}.bias"], **how)

    x = F.relu(convolve("3", F.relu(convolve("1", F.relu(x)))))
    x = x + convolve("5.body.2", F.relu(convolve("5.body.0", x, padding=2, dilation=2)))
    return F.relu(convolve("6", x))


def _global_body(w: dict[str, Tensor], x: Tensor) -> Tensor:
    at, channels = "branch2.body.encoder_level1.0", x.shape[1]

    def norm(number: int, x: Tensor) -> Tensor:
        return x / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt() * w[f"{at}.norm{number}.body.weight"][:, None, None]

    def depthwise(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, w[f"{at}.{name}.weight"], padding=3, dilation=3, groups=x.shape[1])

    qkv = depthwise("attn.qkv_dwconv", F.conv2d(norm(1, x), w[f"{at}.attn.qkv.weight"]))
    q, k, v = (part.reshape(len(x), 2, channels // 2, -1) for part in qkv.chunk(3, 1))
    share = (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * w[f"{at}.attn.temperature"]).softmax(-1)
    x = x + F.conv2d((share @ v).reshape(x.shape), w[f"{at}.attn.project_out.weight"])
    gate, values = depthwise("ffn.dwconv", F.conv2d(norm(2, x), w[f"{at}.ffn.project_in.weight"])).chunk(2, 1)
    x = x + F.conv2d(F.gelu(gate) * values, w[f"{at}.ffn.project_out.weight"])
    return F.conv2d(x, w["branch2.body.output.weight"], padding=3, dilation=3)


def _as_published(network: LGBPN, x: Tensor, stage: str) -> Tensor:
    """Training: a mosaic with zeros. Else: components in a batch with reflected borders, and taps that moved in."""
    w, place = network.state_dict(), ["train", "restore", "refine"].index(stage)
    height, width = x.shape[-2:]
    head = F.relu(F.conv2d(x, w["head.0.weight"], w["head.0.bias"]))
    seen = []
    for branch, body, border, kind in ((1, _local_body, 2, "local"), (2, _global_body, 7, "global")):
        s = network.sizes[f"{kind}_strides"][place]
        ratio = 1.0 if stage == "train" else network.sizes[f"{kind}_ratios"][place - 1]
        y = F.pad(head, (0, -width % s, 0, -height % s), mode="reflect")
        y = _sampled(getattr(network, f"branch{branch}").Maskconv, y, ratio)
        parts, result = [[y[..., i::s, j::s] for j in range(s)] for i in range(s)], torch.zeros_like(y)
        if stage == "train":
            border = border if branch == 1 else 0
            mosaic = torch.cat([torch.cat([F.pad(part, (border,) * 4) for part in row], -1) for row in parts], -2)
            done = [list(row.chunk(s, -1)) for row in body(w, mosaic).chunk(s, -2)]
        else:
            done = [[body(w, F.pad(part, (border,) * 4, mode="reflect")) for part in row] for row in parts]
        for i in range(s):
            for j in range(s):
                result[..., i::s, j::s] = done[i][j][..., border:, border:][
                    ..., : parts[i][j].shape[-2], : parts[i][j].shape[-1]
                ]
        seen.append(result[..., :height, :width])
    x = torch.cat(seen, 1)
    for layer in (0, 2, 4):
        x = F.relu(F.conv2d(x, w[f"tail.{layer}.weight"], w[f"tail.{layer}.bias"]))
    return F.conv2d(x, w["tail.6.weight"], w["tail.6.bias"])


def _random() -> LGBPN:
    network = LGBPN(**SMALL).double()
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, std=0.05 if "Maskconv" in name else 0.3)
    return network


@pytest.mark.parametrize("stage", ["train", "restore", "refine"])
def test_the_network_is_the_papers(stage: str) -> None:
    network, x = _random(), torch.rand(1, 3, 40, 45, dtype=torch.float64) * 255
    with torch.no_grad():
        torch.testing.assert_close(network(x, stage=stage), _as_published(network, x, stage), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("stage", ["train", "restore", "refine"])
def test_fused_is_the_same(stage: str) -> None:
    network, x = _random(), torch.rand(2, 3, 41, 50) * 255
    with torch.no_grad():
        expected = network(x.double(), stage=stage)
    network.float()
    with torch.inference_mode():
        fused = network(x.contiguous(memory_format=torch.channels_last), stage=stage)
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-4


@pytest.mark.parametrize("size", [(1, 1), (7, 33)])
def test_small_pictures(size: tuple[int, int]) -> None:
    assert LGBPN(**SMALL)(torch.rand(1, 3, *size)).shape == (1, 3, *size)


def _gradient(network: LGBPN, stage: str) -> Tensor:
    x = (torch.rand(1, 3, 140, 140, dtype=torch.float64) * 255).requires_grad_()
    network(x, stage=stage)[..., 70, 71].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@pytest.mark.parametrize("stage", ["train", "restore", "refine"])
def test_blind_in_space_away_from_the_reflected_edge(stage: str) -> None:
    """In training blind to the whole diamond; a temperature of zero stops what passes through image-wide cosines."""
    network = wide_open(LGBPN(**SMALL))
    for name, parameter in network.named_parameters():
        if name.endswith("temperature"):
            torch.nn.init.zeros_(parameter)
    gradient = _gradient(network, stage)
    assert gradient[70, 71] == 0
    if stage == "train":
        away = (torch.arange(140) - 70).abs()[:, None] + (torch.arange(140) - 71).abs()
        assert not gradient[away <= 4].any()
        assert (gradient[away == 5] > 0).all()


def test_what_leaks_through_the_cosines_is_small() -> None:
    gradient = _gradient(wide_open(LGBPN(**SMALL)), "train")
    assert 0 < gradient[70, 71] < 1e-4 * gradient.sum()


def test_published_size_and_layout() -> None:
    with torch.device("meta"):
        network = LGBPN()
        assert network.parameter_count() == 4_558_879
        sizes = LGBPN.infer_sizes(network.state_dict())
    assert sizes is not None
    assert sizes.items() <= network.sizes.items()
    small = LGBPN(**SMALL)
    held = small.state_dict() | {
        "branch1.Maskconv.mask": torch.ones(8, 4, 9, 9),
        "branch1.Maskconv.test_conv.bias": torch.ones(8),
    }
    assert LGBPN.from_weights(held) is not None


@pytest.mark.parametrize("sizes", [{"features": 7}, {"heads": 3}, {"local_strides": [4, 3]}])
def test_impossible_sizes_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("lgbpn", **sizes)
