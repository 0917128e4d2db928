"""SCPGabN's generator and critic against their published layers, and its one loss against three backward passes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure as reference_ssim

from unnoise import denoisers, load, recipes
from unnoise.denoisers.deamnet import DeamNet
from unnoise.denoisers.scpgabn import Collaboration, NoiseTransfer, PatchCritic, SCPGabN, gaussian_kernel
from unnoise.errors import UsageError
from unnoise.schemes.self_collaboration import SelfCollaboration, critic_loss, denoiser_loss, dissimilarity

Weights = dict[str, Tensor]


def _small() -> SCPGabN:
    torch.manual_seed(0)
    network = SCPGabN(features=4, generator_features=3, critic_features=2, blocks=2)
    for part in (network.generator, network.critic):
        for parameter in part.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.1)
    return network.double()


def _convolve(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = w[f"{name}.weight"]
    padding = 1 if weight.shape[-1] == 4 else weight.shape[-1] // 2
    return F.conv2d(x, weight, w[f"{name}.bias"], stride=stride, padding=padding)


def _leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def _transferred(w: Weights, clean: Tensor, other: Tensor) -> Tensor:
    y = _convolve(w, "conv_input.0", torch.cat([clean, other - _convolve(w, "Gas", other)], 1))
    for block in range(2):
        inner = _leaky(_convolve(w, f"residual.{block}.conv1", y))
        y = _leaky(_convolve(w, f"residual.{block}.conv2", inner)) + y
    for layer in (0, 2):
        y = _leaky(_convolve(w, f"conv_output.{layer}", y))
    return _convolve(w, "conv_output.4", y) + clean


def _blurred(x: Tensor, side: int, sigma: float) -> Tensor:
    place = np.arange(side) - side // 2
    line = np.exp(-(place**2) / (2 * sigma**2))
    kernel = torch.tensor(np.outer(line, line) / line.sum() ** 2)[None, None]
    padded = F.pad(x, (side // 2,) * 4, mode="reflect")
    return torch.cat([F.conv2d(channel, kernel) for channel in padded.split(1, dim=1)], dim=1)


def _judged(w: Weights, x: Tensor) -> Tensor:
    y = torch.cat([x, x - _blurred(x, 15, 9)], 1)
    for layer, stride, normed in ((0, 2, False), (2, 2, True), (5, 2, True), (8, 1, True)):
        y = _convolve(w, f"model.{layer}", y, stride)
        if normed:
            centred = y - y.mean((2, 3), keepdim=True)
            y = centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
        y = _leaky(y)
    return _convolve(w, "model.11", y)


def test_the_generator_and_the_critic_are_the_published_ones() -> None:
    network, clean, other = _small(), *torch.rand(2, 2, 3, 32, 40, dtype=torch.float64)
    with torch.no_grad():
        expected = _transferred(network.generator.state_dict(), clean, other)
        torch.testing.assert_close(network.generator(clean, other), expected)
        told = network.critic(clean)
    # the kernel of the blur is kept in float32
    torch.testing.assert_close(told, _judged(network.critic.state_dict(), clean), rtol=1e-5, atol=1e-6)
    network.float()
    with torch.inference_mode():
        torch.testing.assert_close(network.generator(clean.float(), other.float()), expected.float())


def test_the_quick_recipe_s_generator_begins_by_copying_rough_noise() -> None:
    network, (clean, other) = (
        SCPGabN(features=16, generator_features=8, critic_features=2, blocks=2),
        torch.rand(2, 2, 3, 24, 24),
    )
    network.initialize_he()
    with torch.no_grad():
        added = network.generator(clean, other) - clean
    inner = slice(3, -3), slice(3, -3)  # farther in than the blur's zeros at the edges
    torch.testing.assert_close(
        added[..., *inner], (other - _blurred(other.double(), 7, 2).float())[..., *inner], rtol=1e-4, atol=1e-4
    )
    with pytest.raises(UsageError, match="at least 6 features"):
        NoiseTransfer(3, features=5).initialize_transfer()


def test_sizes_at_the_published_widths() -> None:
    with torch.device("meta"):
        generator, critic, denoiser = NoiseTransfer(3), PatchCritic(3), DeamNet()
    assert denoiser.parameter_count() == 2_228_131
    # by hand: Gas, the first layer, six blocks of two, two more, the last one
    by_hand = 3 * 3 * 49 + 3 + 6 * 64 * 49 + 64 + 14 * (64 * 64 * 9 + 64) + 64 * 3 * 49 + 3
    assert sum(each.numel() for each in generator.parameters()) == by_hand
    widths = pairwise([6, 64, 128, 256, 512, 1])
    assert sum(each.numel() for each in critic.parameters() if each.requires_grad) == sum(
        16 * one * other + other for one, other in widths
    )


def test_kernels_of_the_blurs() -> None:
    torch.testing.assert_close(gaussian_kernel(9, 25, 2)[1, 0].sum(), torch.tensor(1.0))
    pulse = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    pulse[..., 16, 16] = 1
    torch.testing.assert_close(
        gaussian_kernel(15, 9, 1)[0, 0].double(), _blurred(pulse, 15, 9)[0, 0, 9:24, 9:24], rtol=1e-6, atol=0
    )


def test_dissimilarity_is_the_logarithm_of_ssim() -> None:
    one = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    other = (one + 0.1 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    inner = F.pad(one, (32,) * 4), F.pad(other, (32,) * 4)  # far from edges, where the paddings differ
    reference = reference_ssim(*inner, data_range=1.0, sigma=1.5, kernel_size=11)
    assert dissimilarity(*inner).item() == pytest.approx(-np.log10(reference.item()), rel=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("rounds", [0, 1])
def test_one_loss_has_the_gradients_of_the_published_steps(rounds: int) -> None:
    """The published order: generator and denoiser step together with the critic held still, then the critic."""
    network = _small()
    real, clean = torch.rand(2, 2, 3, 32, 32, dtype=torch.float64)
    scheme = SelfCollaboration()
    step = network(real, clean, rounds=rounds)
    assert isinstance(step, Collaboration)
    total = scheme.generator_loss(step, clean) + denoiser_loss(step, clean) + critic_loss(step)
    total.backward()
    found = {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}
    network.zero_grad()

    d, g, p, e = network.denoiser, network.generator, network.critic, network.earlier
    noise = real - e(real) if rounds else real
    back = d(real)
    y1, y2 = g(clean, noise), g(back, noise)
    x1 = d(y1.detach())
    made_noise = y1 - e(y1) if rounds else y1
    y3, y4 = g(back, made_noise), g(x1, made_noise)
    p.requires_grad_(False)
    loss_g = sum(((p(y) - 1) ** 2).mean() for y in (y1, y2, y3, y4))
    for side, weight in ((3, 0.01), (9, 0.1), (15, 1.0)):
        for one, other in ((clean, y1), (back, y2)):
            loss_g = loss_g + 6 * weight * (_blurred(one, side, 25) - _blurred(other, side, 25)).abs().mean()
    pairs = [(x1, clean)] + ([(back, e(real)), (x1, e(y1))] if rounds else [])
    loss_d = sum((one - other).abs().mean() + dissimilarity(one, other) for one, other in pairs)
    (loss_g + loss_d).backward()
    p.requires_grad_(True)
    p.Gas.requires_grad_(False)
    (0.5 * (((p(real) - 1) ** 2).mean() + (p(y1.detach()) ** 2).mean())).backward()
    expected = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    assert all(any(name.startswith(part) for name in found) for part in ("denoiser", "generator", "critic"))
    assert not any(name.startswith("earlier") for name in found)


def test_the_denoiser_takes_its_earlier_self_s_place_once_a_round() -> None:
    network, pictures = _small().float(), torch.rand(2, 3, 32, 32)

    def agree() -> bool:
        return all(torch.equal(*pair) for pair in zip(network.denoiser.parameters(), network.earlier.parameters(), strict=True))

    network(pictures, pictures, rounds=0)
    assert not agree()
    network(pictures, pictures, rounds=1)
    assert agree()
    with torch.no_grad():
        next(network.denoiser.parameters()).add_(1)
    network(pictures, pictures, rounds=1)
    assert not agree()
    network.load_state_dict(network.state_dict())  # as a resumed run does
    network(pictures, pictures, rounds=2)
    assert agree()
    scheme = SelfCollaboration(rounds=2, first_stage=0.5)
    assert [scheme.at(share).round_now for share in (0, 0.49, 0.5, 0.74, 0.76, 1)] == [0, 0, 1, 1, 2, 2]
    assert SelfCollaboration(rounds=0).at(1).round_now == 0


@pytest.mark.parametrize("stage", ["first", "second"])
def test_published_files_are_recognised(stage: str, tmp_path: Path) -> None:
    network = _small().float()
    names = {"E": network.earlier, "D": network.denoiser, "G": network.generator, "P": network.critic}
    if stage == "first":
        del names["E"]
    states: dict[str, dict[str, Tensor]] = {
        name: {f"module.{key}": value for key, value in part.state_dict().items()} for name, part in names.items()
    }
    states["G"] |= {"module.scale": torch.zeros(3, 1, 1)}
    for block in range(2):  # unused layers of the published generator
        states["G"] |= {
            f"module.residual.{block}.{key}": torch.zeros(1)
            for key in ("SA.spatial.conv.weight", "CA.conv_du.0.bias", "conv1x1.weight")
        }
    torch.save({"epoch": 3, "model_state_dict": states}, tmp_path / "model_3.pt")
    model = load(tmp_path / "model_3.pt")
    assert (type(model.network), model.recipe.name) == (SCPGabN, "scpgabn")
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network.denoiser.eval()(x))
        same = network.denoiser if stage == "first" else network.earlier
        torch.testing.assert_close(model.network.earlier(x), same.eval()(x))  # type: ignore[operator]


class _Teacher:
    count = 1


def test_a_step_of_the_recipe_and_crops_that_are_too_small() -> None:
    recipe = recipes.load("scpgabn-quick", {"scheme.teachers": ["default"]})
    network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
    scheme = recipe.scheme.bind(lambda *_: _Teacher(), network)  # type: ignore[arg-type,return-value]
    loss = scheme.at(0.9).loss(network, torch.rand(2, 6, 64, 64), torch.Generator())
    loss.backward()
    assert torch.isfinite(loss)
    assert network(torch.rand(1, 3, 5, 6)).shape == (1, 3, 5, 6)
    with pytest.raises(UsageError, match="at least 48 pixels, not 32"):
        scheme.loss(network, torch.rand(2, 6, 32, 32), torch.Generator())


def test_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="take the denoiser scpgabn"):
        SelfCollaboration().check(denoisers.lookup("deamnet"))


def test_other_files_of_three_branches_are_still_their_denoisers(tmp_path: Path) -> None:
    """DANet's files have the same names of their three networks."""
    network = denoisers.create("danet", width=4)
    inner = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save(
        {"D": inner, "G": {"module.last.weight": torch.zeros(1)}, "P": {"module.output.bias": torch.zeros(1)}},
        tmp_path / "danet.pt",
    )
    assert load(tmp_path / "danet.pt").recipe.denoiser.name == "danet"
