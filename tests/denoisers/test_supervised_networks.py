"""CBDNet, RIDNet, VDN and DANet against their published layers written out one by one, and their published sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers, load
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.cbdnet import CBDNet
from unnoise.denoisers.ridnet import RIDNet
from unnoise.denoisers.vdn import VDN, DANet

Weights = dict[str, Tensor]


def _convolve(w: Weights, name: str, x: Tensor, dilation: int = 1) -> Tensor:
    weight = w[f"{name}.weight"]
    return F.conv2d(x, weight, w[f"{name}.bias"], padding=weight.shape[-1] // 2 * dilation, dilation=dilation)


def _leaky_unet(w: Weights, at: str, x: Tensor, depth: int) -> Tensor:
    def pair(name: str, x: Tensor) -> Tensor:
        for layer in (0, 2):
            x = F.leaky_relu(_convolve(w, f"{name}.block.{layer}", x), 0.2)
        return x

    skips = []
    for level in range(depth - 1):
        x = pair(f"{at}down_path.{level}", x)
        skips.append(x)
        down = w.get(f"{at}down_path.{level}.downsample.weight")
        x = F.avg_pool2d(x, 2) if down is None else F.conv2d(x, down, stride=2, padding=1)
    x = pair(f"{at}down_path.{depth - 1}", x)
    for level in range(depth - 1):
        up = F.conv_transpose2d(x, w[f"{at}up_path.{level}.up.weight"], w[f"{at}up_path.{level}.up.bias"], stride=2)
        x = pair(f"{at}up_path.{level}.conv_block", torch.cat([up, skips.pop()], 1))
    return _convolve(w, f"{at}last", x)


def _vdn(w: Weights, x: Tensor) -> Tensor:
    return x - _leaky_unet(w, "DNet.", x, 3)[:, :3]


def _danet(w: Weights, x: Tensor) -> Tensor:
    return x - _leaky_unet(w, "", x, 3)


def _cbdnet(w: Weights, x: Tensor) -> Tensor:
    level = x
    for layer in range(0, 10, 2):
        level = F.relu(_convolve(w, f"fcn.fcn.{layer}", level))

    def several(name: str, x: Tensor, number: int) -> Tensor:
        for layer in range(number):
            x = F.relu(_convolve(w, f"unet.{name}.{layer}.conv.0", x))
        return x

    def up(name: str, x: Tensor, skip: Tensor) -> Tensor:
        x = F.conv_transpose2d(x, w[f"unet.{name}.up.weight"], w[f"unet.{name}.up.bias"], stride=2)
        return skip + F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))

    full = several("inc", torch.cat([x, level], 1), 2)
    half = several("conv1", F.avg_pool2d(full, 2), 3)
    y = several("conv2", F.avg_pool2d(half, 2), 6)
    y = several("conv4", up("up2", several("conv3", up("up1", y, half), 3), full), 2)
    return x + _convolve(w, "unet.outc.conv", y)


def _ridnet(w: Weights, x: Tensor) -> Tensor:
    mean = 255 * torch.tensor([0.4488, 0.4371, 0.4040], dtype=x.dtype)[:, None, None]
    y = F.relu(_convolve(w, "head.body.0", x - mean))
    for block in (1, 2):
        at = f"b{block}"
        branches = [
            F.relu(_convolve(w, f"{at}.r1.body{n}.2", F.relu(_convolve(w, f"{at}.r1.body{n}.0", y, one)), other))
            for n, one, other in ((1, 1, 2), (2, 3, 4))
        ]
        y = y + F.relu(_convolve(w, f"{at}.r1.body3.0", torch.cat(branches, 1)))
        y = F.relu(y + _convolve(w, f"{at}.r2.body.2", F.relu(_convolve(w, f"{at}.r2.body.0", y))))
        z = F.relu(_convolve(w, f"{at}.r3.body.2", F.relu(_convolve(w, f"{at}.r3.body.0", y))))
        y = F.relu(y + _convolve(w, f"{at}.r3.body.4", z))
        few = F.relu(_convolve(w, f"{at}.ca.c1.body.0", y.mean((2, 3), keepdim=True)))
        y = y * torch.sigmoid(_convolve(w, f"{at}.ca.c2.body.0", few))
    return x + _convolve(w, "tail", y) + mean


CASES: list[tuple[type[Denoiser], dict[str, int], Callable[[Weights, Tensor], Tensor], int, tuple[int, int]]] = [
    (CBDNet, {"features": 4}, _cbdnet, 4_365_382, (19, 14)),
    (RIDNet, {"features": 16, "blocks": 2}, _ridnet, 1_499_347, (11, 14)),
    (VDN, {"width": 4, "depth": 3}, _vdn, 7_816_780, (12, 16)),
    (DANet, {"width": 4, "depth": 3}, _danet, 9_153_571, (12, 16)),
]
networks = pytest.mark.parametrize(
    ("kind", "sizes", "published", "count", "size"), CASES, ids=[case[0].__name__ for case in CASES]
)
Published = Callable[[Weights, Tensor], Tensor]


def _random(kind: type[Denoiser], sizes: dict[str, int]) -> Denoiser:
    network = kind(**sizes)
    for parameter in network.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.double()


@networks
def test_the_network_is_the_papers(
    kind: type[Denoiser], sizes: dict[str, int], published: Published, count: int, size: tuple[int, int]
) -> None:
    network = _random(kind, sizes)
    x = torch.rand(2, 3, *size, dtype=torch.float64) * network.value_range[1]
    with torch.no_grad():
        expected = published(network.state_dict(), x)
        # the means of RIDNet are float32
        assert ((network(x) - expected).abs().max() / expected.abs().max()).item() < 1e-6
    network.float()
    with torch.inference_mode():
        fused = network(x.float().contiguous(memory_format=torch.channels_last))
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-5


@networks
def test_published_size(
    kind: type[Denoiser], sizes: dict[str, int], published: Published, count: int, size: tuple[int, int]
) -> None:
    network = kind(**sizes)
    assert kind.infer_sizes(network.state_dict()).items() <= network.sizes.items()  # type: ignore[union-attr]
    assert network.parameter_count() > 0
    full = kind()
    assert full.parameter_count() == count
    assert kind.infer_sizes(full.state_dict()) == full.sizes


@networks
def test_any_size_and_reach(
    kind: type[Denoiser], sizes: dict[str, int], published: Published, count: int, size: tuple[int, int]
) -> None:
    network = kind(**sizes)
    for height, width in ((1, 1), (3, 9)):
        assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)
    reach = network.receptive_field_radius
    if reach is None:
        return
    for parameter in network.parameters():
        parameter.data.abs_()
    side = 2 * reach + 9
    side += -side % network.size_multiple
    x = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    seen = 0
    for place in range(side // 2, side // 2 + network.size_multiple):
        (gradient,) = torch.autograd.grad(network.double()(x)[..., place, place].sum(), x)
        rows = torch.nonzero(gradient.abs().sum((0, 1, 3))).flatten()
        seen = max(seen, place - int(rows.min()), int(rows.max()) - place)
    assert seen == reach


@networks
@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_files_are_recognised(
    kind: type[Denoiser],
    sizes: dict[str, int],
    published: Published,
    count: int,
    size: tuple[int, int],
    prefix: str,
    tmp_path: Path,
) -> None:
    network = kind(**sizes)
    torch.save({"D": {f"{prefix}{key}": value for key, value in network.state_dict().items()}}, tmp_path / "published.pt")
    model = load(tmp_path / "published.pt")
    assert (type(model.network), model.recipe.name) == (kind, "supervised")
    x = torch.rand(1, 3, 16, 16) * network.value_range[1]
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network.eval()(x))


@pytest.mark.parametrize(("name", "sizes"), [("ridnet", {"features": 8}), ("vdn", {"depth": 1}), ("danet", {"depth": 1})])
def test_impossible_sizes_are_refused(name: str, sizes: dict[str, int]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create(name, **sizes)


@pytest.mark.parametrize("name", ["cbdnet", "ridnet", "vdn", "danet", "dncnn"])
def test_the_first_results_are_nearly_the_picture(name: str) -> None:
    torch.manual_seed(3)
    network = denoisers.create(name)
    white = network.value_range[1]
    x = white * torch.rand(1, 3, 32, 32)
    network.initialize_he()
    with torch.no_grad():
        assert 0 < (network(x) - x).square().mean().sqrt() < 0.25 * x.std()


def test_nothing_draws_the_shift_of_the_mean_again() -> None:
    network = RIDNet(features=16, blocks=1)
    before = {key: value.clone() for key, value in network.state_dict().items() if "_mean" in key}
    network.initialize_he()
    assert len(before) == 4
    for key, value in before.items():
        assert torch.equal(network.state_dict()[key], value)
    assert not network.sub_mean.weight.requires_grad
