"""Noise2Self and Blind2Unblind against plain loops over pixels, written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unnoise import denoisers
from unnoise.schemes.blind2unblind import Blind2Unblind
from unnoise.schemes.grid_masks import hidden_pixels, neighbour_mean, predict_grid
from unnoise.schemes.noise2self import Noise2Self

Array = NDArray[np.float64]


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _mean_of_neighbours(image: Array, row: int, column: int) -> float:
    total = weight = 0.0
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            inside = 0 <= row + i < image.shape[0] and 0 <= column + j < image.shape[1]
            if (i or j) and inside:
                own = 1.0 if 0 in (i, j) else 0.5
                total, weight = total + own * image[row + i, column + j], weight + own
    return total / weight


def _network(x: torch.Tensor) -> torch.Tensor:
    """Mixes each pixel with those around it, so that a wrong neighbour shows."""
    return 0.3 * x + 0.5 * x.roll(1, -1) + 0.4 * x.roll(2, -2).square()


def _as_network(image: Array) -> Array:
    return 0.3 * image + 0.5 * np.roll(image, 1, 1) + 0.4 * np.roll(image, 2, 0) ** 2


def _hide(image: Array, period: int, number: int) -> tuple[Array, Array]:
    """The image with one grid of pixels replaced, and where."""
    seen, hidden = image.copy(), np.zeros(image.shape, bool)
    for row in range(number // period, image.shape[0], period):
        for column in range(number % period, image.shape[1], period):
            seen[row, column], hidden[row, column] = _mean_of_neighbours(image, row, column), True
    return seen, hidden


def _blind(image: Array, period: int) -> Array:
    """Each pixel from the pass that hides it."""
    result = np.full(image.shape, np.nan)
    for number in range(period**2):
        seen, hidden = _hide(image, period, number)
        result[hidden] = _as_network(seen)[hidden]
    return result


@given(size=st.tuples(st.integers(1, 9), st.integers(1, 9)), period=st.integers(2, 4))
def test_the_masks_of_a_grid_hide_each_pixel_once(size: tuple[int, int], period: int) -> None:
    masks = [hidden_pixels(*size, period, number) for number in range(period**2)]
    assert bool((torch.cat(masks).sum(0) == 1).all())


@settings(deadline=None)
@given(size=st.tuples(st.integers(1, 7), st.integers(2, 7)), seed=st.integers(0, 9))
def test_the_mean_of_neighbours(size: tuple[int, int], seed: int) -> None:
    image = _random(1, 1, *size, seed=seed)
    expected = [[_mean_of_neighbours(image[0, 0].numpy(), i, j) for j in range(size[1])] for i in range(size[0])]
    assert neighbour_mean(image)[0, 0].numpy() == pytest.approx(np.array(expected))


@pytest.mark.parametrize("period", [2, 3, 4])
def test_noise2self_s_loss_and_result(period: int) -> None:
    image = _random(1, 1, 10, 11)
    scheme = Noise2Self(period=period)
    for seed in range(4):
        number = int(torch.randint(period**2, (1,), generator=torch.Generator().manual_seed(seed)))
        seen, hidden = _hide(image[0, 0].numpy(), period, number)
        expected = np.mean((_as_network(seen) - image[0, 0].numpy())[hidden] ** 2)
        loss = scheme.loss(_network, image, torch.Generator().manual_seed(seed))
        assert loss.item() == pytest.approx(expected)
    assert scheme.restore(_network, image)[0, 0].numpy() == pytest.approx(_blind(image[0, 0].numpy(), period))
    visible = Noise2Self(period=period, blind=False).restore(_network, image)
    assert torch.equal(visible, _network(image))


def test_noise2self_restores_no_pixel_from_itself() -> None:
    network = denoisers.create("dncnn", features=4, layers=3).double().eval()
    image = _random(1, 3, 12, 12).requires_grad_()
    restored = Noise2Self(period=3).restore(network, image)
    for row, column in ((0, 0), (5, 7), (11, 3)):
        (gradient,) = torch.autograd.grad(restored[0, :, row, column].sum(), image, retain_graph=True)
        assert bool((gradient[0, :, row, column] == 0).all())
        assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize(("share", "beta"), [(0.0, 2.0), (0.8, 2.0), (0.9, 11.0), (1.0, 20.0)])
def test_beta_grows_as_in_the_published_code(share: float, beta: float) -> None:
    assert Blind2Unblind().at(share).beta == pytest.approx(beta)
    assert Blind2Unblind().beta == 2.0  # `at` changes a copy


@pytest.mark.parametrize(("share", "eta"), [(0.0, 1.0), (0.9, 0.5)])
def test_blind2unblind_s_loss(share: float, eta: float) -> None:
    image = _random(2, 3, 8, 12)
    scheme = Blind2Unblind(eta=eta).at(share)
    total = 0.0
    for plane in image.flatten(0, 1).numpy():
        blind, visible = _blind(plane, 4) - plane, _as_network(plane) - plane
        total += float(np.mean((blind + scheme.beta * visible) ** 2) + eta * np.mean(blind**2)) / 6
    assert scheme.loss(_network, image).item() == pytest.approx(total)


def test_only_the_blind_term_has_a_gradient() -> None:
    """f̂(y) is a constant of the loss: with η = 0 the gradient is that of (blind + β·visible)² by its blind part alone."""
    image = _random(1, 1, 8, 8)
    factor = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    scheme = Blind2Unblind(eta=0.0)
    scheme.loss(lambda x: factor * _network(x), image).backward()
    plain = factor.detach()
    blind, visible = (factor * torch.from_numpy(_blind(image[0, 0].numpy(), 4)), plain * _network(image)[0, 0])
    own = (blind - image[0, 0] + 2.0 * (visible - image[0, 0])).square().mean()
    (expected,) = torch.autograd.grad(own, factor)
    assert factor.grad is not None
    assert factor.grad.item() == pytest.approx(expected.item())


def test_a_region_is_that_of_the_whole() -> None:
    image = _random(1, 2, 13, 11)
    whole = predict_grid(_network, image, neighbour_mean(image), 3)
    part = predict_grid(_network, image, neighbour_mean(image), 3, (slice(2, 9), slice(5, 6)))
    assert torch.equal(part, whole[..., 2:9, 5:6])
