"""Laine et al.'s network and D-BSN's first form, against their layers written out one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers, load
from unnoise.denoisers.dbsn_first import DBSNFirst
from unnoise.denoisers.laine19 import Laine19
from unnoise.denoisers.posterior_denoiser import PosteriorDenoiser
from unnoise.layers.gaussian_posterior import GaussianPrior

Weights = dict[str, Tensor]


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _trunk(w: Weights, at: str, x: Tensor, *, upward: bool) -> Tensor:
    """Laine et al.'s U-Net, with their padding and cropping where it looks upward."""

    def convolve(name: str, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 2, 0)) if upward else F.pad(x, (1, 1, 1, 1))
        return _leaky(F.conv2d(x, w[f"{at}unet.{name}.conv.weight"], w[f"{at}unet.{name}.conv.bias"]))

    def down(x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, (0, 0, 1, 0))[..., :-1, :] if upward else x, 2)

    pools, y = [x], convolve("enc1.conv1", convolve("intro", x))
    for level in range(2, 7):
        y = down(y)
        pools.append(y)
        y = convolve(f"enc{level}.conv1", y)
    pools.pop()
    for level in range(5, 0, -1):
        y = torch.cat([y.repeat_interleave(2, -1).repeat_interleave(2, -2), pools.pop()], 1)
        y = convolve(f"dec{level}.conv2", convolve(f"dec{level}.conv1", y))
    return y


def _one(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"])


def _laine(w: Weights, x: Tensor) -> GaussianPrior:
    sides = []
    for turn in range(4):  # clockwise, then back
        y = _trunk(w, "net.", torch.rot90(x, -turn, (2, 3)), upward=True)
        sides.append(torch.rot90(F.pad(y, (0, 0, 1, 0))[..., :-1, :], turn, (2, 3)))
    y = _leaky(_one(w, "net.nin_B", _leaky(_one(w, "net.nin_A", torch.cat(sides, 1)))))
    y = _one(w, "net.nin_C", y)
    at = "param_estimation_net."
    z = _leaky(_one(w, f"{at}nin_b", _leaky(_one(w, f"{at}nin_a", _trunk(w, at, x, upward=False)))))
    noise = F.softplus(_one(w, f"{at}nin_c", z).mean((2, 3), keepdim=True) - 4) + 1e-3
    return GaussianPrior(y[:, :3], y[:, 3:], noise.expand(-1, 3, 1, 1))


def _dbsn(w: Weights, x: Tensor) -> GaussianPrior:
    def relu(name: str, y: Tensor, dilation: int = 1) -> Tensor:
        weight = w[f"{name}.weight"]
        padding = weight.shape[-1] // 2 * dilation
        return F.relu(F.conv2d(y, weight, w[f"{name}.bias"], padding=padding, dilation=dilation))

    head, branches = relu("dbsn.dbsn_head.0", x), []
    for branch, step in ((1, 2), (2, 3)):
        at = f"dbsn.br{branch}.branch"
        kernel = w[f"{at}.0.weight"].clone()
        kernel[..., step - 1, step - 1] = 0
        y = F.relu(F.conv2d(head, kernel, w[f"{at}.0.bias"], padding=step - 1))
        y = relu(f"{at}.4", relu(f"{at}.2", y))
        for block in (6, 7):
            b = f"{at}.{block}"
            parts = [
                relu(f"{b}.inception_br1.2", relu(f"{b}.inception_br1.0", y), step),
                relu(f"{b}.inception_br2.2", relu(f"{b}.inception_br2.0", y), step),
                relu(f"{b}.inception_br3.0", y),
            ]
            y = relu(f"{b}.concat", torch.cat(parts, 1)) + y
            y = relu(f"{b}.middle_1x1_convs.2", relu(f"{b}.middle_1x1_convs.0", y))
        branches.append(_one(w, f"{at}.8", y))
    middle = _one(w, "dbsn.concat", torch.cat(branches, 1))
    mean = _one(w, "dbsn.dbsn_tail.4", relu("dbsn.dbsn_tail.2", relu("dbsn.dbsn_tail.0", middle)))
    factor = _one(w, "sigma_mu.conv.4", relu("sigma_mu.conv.2", relu("sigma_mu.conv.0", middle)))
    z = x
    for layer in (0, 2, 4, 6):
        z = relu(f"sigma_n.conv.{layer}", z)
    noise = F.softplus(_one(w, "sigma_n.conv_final", z).mean((2, 3), keepdim=True) - 4) + 1e-3
    return GaussianPrior(mean, factor, noise)


def _random(network: PosteriorDenoiser) -> PosteriorDenoiser:
    torch.manual_seed(2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.double()


CASES: list[tuple[PosteriorDenoiser, Callable[[Weights, Tensor], GaussianPrior], tuple[int, int]]] = [
    (Laine19(width=4), _laine, (32, 64)),
    (DBSNFirst(features=4, blocks=2, width=6), _dbsn, (11, 14)),
]
networks = pytest.mark.parametrize(("network", "published", "size"), CASES, ids=["Laine19", "D-BSN"])


@networks
def test_the_network_is_the_papers(
    network: PosteriorDenoiser, published: Callable[[Weights, Tensor], GaussianPrior], size: tuple[int, int]
) -> None:
    network, x = _random(network), torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = published(network.state_dict(), x)
        for one, other in zip(network(x, only_prior=True), expected, strict=True):
            torch.testing.assert_close(one, other)
    network.float()
    with torch.inference_mode():
        fused = network(x.float().contiguous(memory_format=torch.channels_last))
    y, mean, noise = x, expected.mean, expected.noise.square()
    factor = expected.factor
    spread = torch.diag_embed(factor.permute(0, 2, 3, 1)) if factor.shape[1] == 3 else _triangle(factor)
    total = spread @ spread.mT + torch.diag_embed(noise[..., 0, 0])[:, None, None]
    moved = spread @ spread.mT @ torch.linalg.solve(total, (y - mean).permute(0, 2, 3, 1)[..., None])
    wanted = mean + moved[..., 0].permute(0, 3, 1, 2)
    # a quotient of small variances, in float32
    assert ((fused - wanted).abs().max() / wanted.abs().max()).item() < 1e-3


def _triangle(factor: Tensor) -> Tensor:
    upper = torch.zeros(len(factor), *factor.shape[2:], 3, 3, dtype=factor.dtype)
    rows, columns = torch.triu_indices(3, 3)
    upper[..., rows, columns] = factor.permute(0, 2, 3, 1)
    return upper


@networks
def test_the_prior_is_strictly_blind(
    network: PosteriorDenoiser, published: Callable[[Weights, Tensor], GaussianPrior], size: tuple[int, int]
) -> None:
    network = _random(network)
    for height, width, i, j in ((33, 20, 0, 0), (9, 35, 4, 34), (40, 32, 17, 31)):
        x = torch.rand(1, 3, height, width, dtype=torch.float64, requires_grad=True)
        prior = network(x, only_prior=True)
        told = prior.mean[..., i, j].sum() + prior.factor[..., i, j].sum()
        (gradient,) = torch.autograd.grad(told, x)
        assert gradient[..., i, j].abs().max() == 0
        assert gradient.abs().max() > 0


def test_published_sizes() -> None:
    with torch.device("meta"):
        dbsn = DBSNFirst()
        assert sum(each.numel() for each in dbsn.dbsn.parameters()) == 6_612_675  # the paper's 6.61 million
        assert dbsn.parameter_count() == 6_620_329
        laine = Laine19()
        assert laine.net.parameter_count() == 1_269_129
        assert laine.parameter_count() == 2_371_306


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_files_of_d_bsn_are_recognised(prefix: str, tmp_path: Path) -> None:
    network = DBSNFirst(features=4, blocks=2, width=6)
    parts: dict[str, object] = {"epoch": 3}
    for name in ("dbsn", "sigma_mu", "sigma_n"):
        inner = network.get_submodule(name).state_dict()
        parts[f"state_dict_{name}"] = {f"{prefix}{key}": value for key, value in inner.items()}
        parts[f"optimizer_state_{name}"] = {"state": {0: torch.zeros(2)}}
    torch.save(parts, tmp_path / "published.pth")
    model = load(tmp_path / "published.pth")
    assert (type(model.network), model.recipe.name) == (DBSNFirst, "d-bsn")
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network.eval()(x))


@pytest.mark.parametrize(
    ("name", "sizes"), [("laine19", {"noise": "known"}), ("laine19", {"style": "speckle"}), ("dbsn-first", {"strides": [1, 3]})]
)
def test_impossible_sizes_are_refused(name: str, sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create(name, **sizes)
