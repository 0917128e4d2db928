"""Generators and critics against their published layers, and the game that they play."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise import denoisers, recipes
from unnoise.denoisers.learned_noise import C2N, GCBD, LearnedNoiseDenoiser, Played, flattest_noise
from unnoise.denoisers.noise_generator import C2NGenerator, Critic
from unnoise.errors import UsageError
from unnoise.schemes.learned_noise import LearnedNoise, unpaired

Weights = dict[str, Tensor]


def _draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _convolve(w: Weights, name: str, x: Tensor) -> Tensor:
    weight = w[f"{name}.weight"]
    reach = weight.shape[-1] // 2
    return F.conv2d(F.pad(x, (reach,) * 4, mode="reflect"), weight, w.get(f"{name}.bias"))


def _block(w: Weights, at: str, x: Tensor) -> Tensor:
    return x + _convolve(w, f"{at}.body.2", F.prelu(_convolve(w, f"{at}.body.0", x), w[f"{at}.body.1.weight"]))


def _c2n(w: Weights, clean: Tensor, code: Tensor, normal: Tensor, even: Tensor) -> Tensor:
    y = _convolve(w, "ext_head.2", F.prelu(_convolve(w, "ext_head.0", clean), w["ext_head.1.weight"]))
    both = torch.cat([y, code.expand(-1, -1, *clean.shape[-2:])], 1)
    y = F.prelu(_convolve(w, "ext_merge.0", both), w["ext_merge.1.weight"])
    for block in range(5):
        y = _block(w, f"ext.{block}", y)
    half = y.shape[1] // 2
    parts = {"dep": y[:, :half] + (F.relu(y[:, half:]) + 1e-6) * normal, "indep": even}
    total = torch.zeros_like(even)
    for kind, number in (("dep", 2), ("indep", 3)):
        start = _convolve(w, f"{kind}_merge", parts[kind])
        for kernel in (1, 3):
            y = start
            for block in range(number):
                y = _block(w, f"pipe_{kind}_{kernel}.{block}", y)
            total = total + y
    return _convolve(w, "T_tail", total)


def test_the_generator_of_c2n() -> None:
    torch.manual_seed(0)
    network, clean = C2NGenerator(3, features=4, code=5), torch.rand(2, 3, 7, 9)
    draws = _draws(3)
    code, normal, even = (
        torch.randn(2, 5, 1, 1, generator=draws), torch.randn(2, 4, 7, 9, generator=draws), torch.rand(2, 4, 7, 9, generator=draws),
    )  # fmt: skip
    with torch.no_grad():
        expected = _c2n(network.state_dict(), clean, code, normal, even)
        torch.testing.assert_close(network(clean, _draws(3)), expected)


def test_the_critic() -> None:
    network, x = Critic(3, features=4, blocks=2), torch.rand(2, 3, 7, 9)
    w = network.state_dict()
    y = F.prelu(_convolve(w, "head.0", x), w["head.1.weight"])
    y = _convolve(w, "tail", _block(w, "body.1", _block(w, "body.0", y)))
    torch.testing.assert_close(network(x), y)


def test_sizes_at_the_published_widths() -> None:
    with torch.device("meta"):
        c2n = C2N()
        assert sum(each.numel() for each in c2n.generator.parameters()) == 2_154_068
        assert sum(each.numel() for each in c2n.critic.parameters()) == 445_512


@pytest.mark.parametrize("kind", [C2N, GCBD])
def test_the_generator_and_the_critic_pull_in_opposite_directions(kind: type[LearnedNoiseDenoiser]) -> None:
    torch.manual_seed(1)
    network = kind(features=4, layers=3, critic_blocks=1)
    real, clean = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)

    def gradients(value: Tensor, part: nn.Module) -> list[Tensor]:
        given = torch.autograd.grad(value, list(part.parameters()), retain_graph=True, allow_unused=True)
        return [each for each in given if each is not None]

    played = network(real, clean, _draws(2))
    assert isinstance(played, Played)
    noise = network.generator(clean, _draws(2))
    false = network.shown_to_critic(clean + noise, clean)
    plain = network.critic(false).mean() - network.critic(network.shown_to_critic(real, None)).mean()
    torch.testing.assert_close(played.advantage, plain)
    for one, other in zip(gradients(played.advantage, network.critic), gradients(plain, network.critic), strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(gradients(played.advantage, network.generator), gradients(plain, network.generator), strict=True):
        torch.testing.assert_close(one, -other)
    assert not gradients(played.restored.sum(), network.generator)  # the denoiser's error does not move the generator
    assert played.penalty.requires_grad


def test_the_critic_s_slope_is_held_at_one() -> None:
    network = C2N(features=2, layers=3, critic_blocks=1)
    slope = torch.tensor([0.6, 0.0, 0.8]).reshape(1, 3, 1, 1)

    class Plane(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 3 * (x * slope).sum(1, keepdim=True)

    network.critic = Plane()  # type: ignore[assignment]
    x = torch.rand(2, 3, 8, 8)
    assert network._penalty(x, torch.rand_like(x), _draws()).item() == pytest.approx((3 - 1) ** 2, rel=1e-5)


def test_noise_comes_from_the_flattest_block() -> None:
    noisy = 0.5 + 0.05 * torch.randn(1, 3, 48, 48, generator=_draws(1))
    noisy += torch.linspace(0, 3, 48)  # a slope everywhere
    noisy[..., 16:32, 32:48] = 0.5 + 0.05 * torch.randn(3, 16, 16, generator=_draws(2))
    noise = flattest_noise(noisy)
    expected = noisy[..., 16:32, 32:48] - noisy[..., 16:32, 32:48].mean((2, 3), keepdim=True)
    torch.testing.assert_close(noise[..., :16, :16], expected)
    torch.testing.assert_close(noise[..., :16, 16:32], expected.flip(3))
    assert noise.shape == noisy.shape
    assert flattest_noise(torch.rand(1, 3, 3, 2)).shape == (1, 3, 3, 2)


def test_clean_pictures_are_halved_and_of_other_scenes() -> None:
    noisy, clean = torch.rand(3, 3, 8, 10), torch.rand(3, 3, 8, 10)
    real, other = unpaired(noisy, clean)
    torch.testing.assert_close(real, noisy[..., :4, :5])
    torch.testing.assert_close(other[1], F.avg_pool2d(clean[0], 2))


@pytest.mark.parametrize("name", ["c2n-quick", "gcbd-quick"])
def test_a_step_of_the_recipe(name: str) -> None:
    recipe = recipes.load(name, {"scheme.teachers": ["default"]})
    network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
    scheme = recipe.scheme.bind(lambda *_: _Teacher(), network)  # type: ignore[arg-type,return-value]
    loss = scheme.loss(network, torch.rand(2, 6, 64, 64), _draws())
    loss.backward()
    assert torch.isfinite(loss)
    parts = network.denoiser, network.generator, network.critic
    assert all(any(each.grad is not None and each.grad.abs().sum() > 0 for each in part.parameters()) for part in parts)  # type: ignore[union-attr]
    assert network(torch.rand(1, 3, 5, 6)).shape == (1, 3, 5, 6)


class _Teacher:
    count = 1


@pytest.mark.parametrize("seed", [0, 1])
def test_the_noise_begins_as_strong_as_that_of_pictures(seed: int) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        noise = C2NGenerator(3)(torch.rand(2, 3, 32, 32, generator=_draws(seed)), _draws(seed))
    assert 0.03 < noise.std() < 0.15


def test_the_generator_of_the_quick_recipe_does_not_run_away() -> None:
    """With the published weight of the noise's mean it does at the recipe's rate: noise of over 100 in place of 0.1."""
    assert _deviation_after_a_game({}) < 0.4
    assert _deviation_after_a_game({"scheme.stability": 0.01}) > 1


def _deviation_after_a_game(changes: dict[str, float], steps: int = 20) -> float:
    """The largest deviation of the made noise over the second half of a short game on plain colors."""
    recipe = recipes.load("c2n-quick", {"scheme.teachers": ["default"], **changes})
    torch.manual_seed(0)
    network = C2N(features=8, layers=3, critic_blocks=1)
    scheme = recipe.scheme.bind(lambda *_: _Teacher(), network)  # type: ignore[arg-type,return-value]
    training, draws, largest = recipe.training, _draws(0), 0.0
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, betas=training.betas)
    for step in range(steps):
        clean = torch.rand(4, 3, 1, 1, generator=draws).expand(-1, -1, 32, 32)
        noisy = clean + 0.08 * torch.randn(4, 3, 32, 32, generator=draws)
        loss = scheme.loss(network, torch.cat([noisy, clean], 1), draws)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step >= steps // 2:
            with torch.no_grad():
                largest = max(largest, network.generator(clean, _draws(step)).std().item())
    return largest


def test_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="c2n, gcbd"):
        LearnedNoise().check(denoisers.lookup("dncnn"))
