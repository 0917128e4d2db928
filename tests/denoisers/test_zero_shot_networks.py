"""The U-Nets of MASH and Self2Self against their published layers written out one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers, load
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.mash_unet import MashUNet
from unnoise.denoisers.self2self_unet import Self2SelfUNet

Weights = dict[str, Tensor]


def _mash_weights(width: int) -> Weights:
    """Random weights in the published layout."""
    wide, first, second = 2 * width, 4 * width // 3, 2 * width // 3
    widths = {"en_block1.0": (3, width), "en_block1.2": (width, width), "en_block5.3": (width, width)}
    widths |= {f"en_block{level}.0": (width, width) for level in (2, 3, 4, 5)}
    widths |= {"de_block1.0": (wide, wide)} | {f"de_block{level}.0": (wide + width, wide) for level in (2, 3, 4)}
    widths |= {f"de_block{level}.2": (wide, wide) for level in (1, 2, 3, 4)}
    widths |= {"de_block5.0": (wide + 3, first), "de_block5.2": (first, second), "de_block5.4": (second, 3)}
    weights = {f"{name}.weight": torch.randn(out, into, 3, 3) / (3 * into**0.5) for name, (into, out) in widths.items()}
    return weights | {f"{name}.bias": torch.randn(out) for name, (_, out) in widths.items()}


def _mash(w: Weights, x: Tensor) -> Tensor:
    def convolve(name: str, y: Tensor, slope: float = 0.1) -> Tensor:
        return F.leaky_relu(F.conv2d(y, w[f"{name}.weight"], w[f"{name}.bias"], padding=1), slope)

    def up(y: Tensor) -> Tensor:
        return y.repeat_interleave(2, -1).repeat_interleave(2, -2)

    pools = [x, F.max_pool2d(convolve("en_block1.2", convolve("en_block1.0", x)), 2)]
    for level in (2, 3, 4):
        pools.append(F.max_pool2d(convolve(f"en_block{level}.0", pools[-1]), 2))
    y = convolve("en_block5.3", F.max_pool2d(convolve("en_block5.0", pools[-1]), 2))
    for block in range(1, 6):
        y = convolve(f"de_block{block}.0", torch.cat([up(y), pools.pop()], 1))
        y = convolve(f"de_block{block}.2", y)
    return F.conv2d(y, w["de_block5.4.weight"], w["de_block5.4.bias"], padding=1)


def test_published_u_net_of_mash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights, x = _mash_weights(6), torch.rand(2, 3, 32, 64)
    torch.save(weights, tmp_path / "published.pth")
    model = load(tmp_path / "published.pth")
    assert (type(model.network), model.recipe.name) == (MashUNet, "mash")
    expected = _mash({key: value.double() for key, value in weights.items()}, x.double())
    with torch.no_grad():
        torch.testing.assert_close(model.network.double()(x.double()), expected)
    network = model.network.float()
    with torch.inference_mode():
        fused = network(x)
        assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-5
        torch.testing.assert_close(network.forward_region(x, (slice(5, 30), slice(2, 9))), fused[..., 5:30, 2:9])


def _self2self(w: Weights, x: Tensor, visible: Tensor) -> Tensor:
    """Partial convolutions as sums over the visible taps, without dropout."""
    ones = torch.ones(1, 1, 3, 3, dtype=x.dtype)
    pools, y, mask = [x], x, visible
    for level in range(7):
        weight, bias = w[f"EB{level}.weight"], w[f"EB{level}.bias"]
        channels = mask.shape[1]
        seen = F.conv2d(F.pad(mask, (1, 1, 1, 1), value=1.0).sum(1, keepdim=True), ones)
        known = (F.conv2d(mask.sum(1, keepdim=True), ones, padding=1) > 0).to(x.dtype)
        ratio = torch.where(seen > 0, 9 * channels / seen.clamp(min=1e-8), torch.zeros_like(seen))
        y = F.leaky_relu((F.conv2d(y, weight, padding=1) * ratio * known + bias[:, None, None]) * known, 0.1)
        mask = known
        if 1 <= level <= 5:
            y, mask = F.max_pool2d(y, 2), F.max_pool2d(mask, 2)
            pools.append(y)
    pools.pop()
    for level in range(5, 0, -1):
        y = torch.cat([y.repeat_interleave(2, -1).repeat_interleave(2, -2), pools.pop()], 1)
        for half in "ab":
            name = f"dec{level}{half}"
            y = F.leaky_relu(F.conv2d(y, w[f"{name}.weight"], w[f"{name}.bias"], padding=1), 0.1)
    return torch.sigmoid(F.conv2d(y, w["last.weight"], w["last.bias"], padding=1))


def test_self2self_s_u_net() -> None:
    torch.manual_seed(1)
    network = Self2SelfUNet(width=6).double()
    x = torch.rand(2, 3, 32, 64, dtype=torch.float64)
    visible = (torch.rand_like(x) < 0.4).double()
    visible[..., 8:20, 8:20] = 0  # where nothing is known
    w = network.state_dict()
    with torch.no_grad():
        torch.testing.assert_close(network(x * visible, visible), _self2self(w, x * visible, visible))
        torch.testing.assert_close(network(x), _self2self(w, x, torch.ones_like(x)))


def test_dropout_comes_from_the_generator_and_keeps_the_mean() -> None:
    network, x = Self2SelfUNet(width=6, dropout=0.5), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        one, again = (network(x, None, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(one, again)
        assert not torch.equal(one, network(x, None, torch.Generator().manual_seed(4)))
    many = torch.ones(1, 64, 64, 64)
    dropped = network._dropped(many, torch.Generator().manual_seed(0))
    assert dropped.unique().tolist() == [0.0, 2.0]
    assert abs(dropped.mean().item() - 1) < 0.01


@pytest.mark.parametrize("kind", [MashUNet, Self2SelfUNet])
def test_published_size_any_size_and_reach(kind: type[Denoiser]) -> None:
    with torch.device("meta"):
        assert kind().parameter_count() == 991_203
    network = kind(width=6)
    for height, width in ((1, 1), (3, 40)):
        assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize("kind", [MashUNet, Self2SelfUNet])
def test_reach(kind: type[Denoiser]) -> None:
    network = kind(width=3)
    for parameter in network.parameters():
        parameter.data.abs_().mul_(0.3)
    reach = network.receptive_field_radius
    assert reach is not None
    side = (2 * reach + 64) // 32 * 32
    x = torch.rand(1, 3, side, 32, requires_grad=True)
    seen = 0
    y = network(x)
    for place in range(side // 2, side // 2 + 32, 31):
        (gradient,) = torch.autograd.grad(y[..., place, 16].sum(), x, retain_graph=True)
        rows = torch.nonzero(gradient.abs().sum((0, 1, 3))).flatten()
        seen = max(seen, place - int(rows.min()), int(rows.max()) - place)
    # max-pooling passes the gradient of one of four pixels alone
    assert reach - 16 <= seen <= reach


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("self2self-unet", dropout=1.0)
