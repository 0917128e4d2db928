"""APR: which neighbours are drawn, and its loss against one written out pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.models.model import fresh
from unnoise.schemes.adjacent_replacement import AdjacentReplacement, adjacent_places, taken


@pytest.mark.parametrize("window", [3, 5])
def test_two_different_pixels_of_the_window_are_drawn_alike(window: int) -> None:
    height, width, reach = 40, 50, window // 2
    first, second = adjacent_places(3, height, width, window, torch.Generator().manual_seed(1))
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    moves = []
    for place in (first, second):
        place = place.reshape(3, height, width)
        down, right = place // width - rows, place % width - columns
        assert max(down.abs().max(), right.abs().max()) == reach
        moves.append((down + reach) * window + right + reach)
    inner = (..., slice(reach, -reach), slice(reach, -reach))
    one, other = (move[inner] for move in moves)
    assert not (one == other).any()
    pairs = (one * window**2 + other).flatten().bincount(minlength=window**4).reshape(window**2, -1)
    expected = one.numel() / (window**2 * (window**2 - 1))
    assert pairs.diagonal().sum() == 0
    assert (pairs.sum(1) / expected / (window**2 - 1) - 1).abs().max() < 0.3


def test_the_loss_written_out() -> None:
    draws = torch.Generator().manual_seed(0)
    noisy = torch.rand(2, 3, 6, 5, generator=draws)

    def network(x: Tensor, blind_spot: int) -> Tensor:
        assert blind_spot == 9
        return x.square() + 0.1

    scheme = AdjacentReplacement(regularization=4)
    found = scheme.loss(network, noisy, torch.Generator().manual_seed(5))  # type: ignore[arg-type]
    first, second = adjacent_places(2, 6, 5, 3, torch.Generator().manual_seed(5))
    total = 0.0
    for b in range(2):
        for pixel in range(30):
            one, other = (divmod(int(place[b, pixel]), 5) for place in (first, second))
            for c in range(3):
                y1, y2 = noisy[b, c, *one].item(), noisy[b, c, *other].item()
                predicted = y1**2 + 0.1
                away = predicted - y2
                total += abs(away) + 4 * abs(away - (y1**2 - y2**2))
    assert found.item() == pytest.approx(total / noisy.numel(), rel=1e-5)
    assert taken(noisy, first).shape == noisy.shape


def test_the_recipes_have_the_papers_settings_and_restore() -> None:
    recipe = recipes.load("apr")
    assert (recipe.scheme.train_hole, recipe.scheme.applied_blind_spots) == (9, (1,))  # type: ignore[attr-defined]
    noisy = torch.rand(40, 33, 3).numpy()
    assert fresh(recipes.load("apr-quick")).denoise(noisy).shape == noisy.shape
    assert recipes.load("apr-rd").scheme.recharge  # type: ignore[attr-defined]
    with torch.device("meta"):
        assert denoisers.create("tmbsn-student").parameter_count() == 1_021_107
