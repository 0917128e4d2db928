"""Neighbor2Neighbor and ZS-N2N against plain loops over cells, written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.schemes.neighbor2neighbor import PAIRS, Neighbor2Neighbor
from unnoise.schemes.zs_n2n import ZSN2N, diagonal_means


def _network(x: torch.Tensor) -> torch.Tensor:
    return 0.6 * x + 0.3 * x.flip(-1).square()


def _picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _sampled(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    """One pixel of each cell, by a loop."""
    batch, channels, height, width = image.shape
    result = np.zeros((batch, channels, height // 2, width // 2))
    for b in range(batch):
        for i in range(height // 2):
            for j in range(width // 2):
                result[b, :, i, j] = image[b, :, 2 * i + place[b, i, j] // 2, 2 * j + place[b, i, j] % 2]
    return result


def test_pairs_are_all_ordered_pairs_of_adjacent_pixels() -> None:
    adjacent = {(a, b) for a in range(4) for b in range(4) if abs(a // 2 - b // 2) + abs(a % 2 - b % 2) == 1}
    assert set(PAIRS) == adjacent
    assert len(PAIRS) == 8


@settings(deadline=None, max_examples=20)
@given(size=st.tuples(st.integers(2, 9), st.integers(2, 9)), seed=st.integers(0, 9), share=st.floats(0, 1))
def test_neighbor2neighbor_s_loss(size: tuple[int, int], seed: int, share: float) -> None:
    noisy = _picture(*size, seed=seed)
    choice = torch.randint(8, (2, size[0] // 2, size[1] // 2), generator=torch.Generator().manual_seed(seed))
    pair = np.array(PAIRS)[choice.numpy()]
    first, second = (_sampled(noisy.numpy(), pair[..., each]) for each in (0, 1))
    restored = _network(noisy).numpy()
    difference = _network(torch.from_numpy(first)).numpy() - second
    expected = _sampled(restored, pair[..., 0]) - _sampled(restored, pair[..., 1])
    loss = np.mean(difference**2) + 2 * share * np.mean((difference - expected) ** 2)
    found = Neighbor2Neighbor().at(share).loss(_network, noisy, torch.Generator().manual_seed(seed))
    assert found.item() == pytest.approx(loss)


def test_the_whole_picture_s_result_has_no_gradient() -> None:
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    calls: list[bool] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        calls.append(torch.is_grad_enabled())
        return factor * x

    Neighbor2Neighbor().loss(network, _picture(8, 8), torch.Generator()).backward()
    assert calls == [False, True]


def test_diagonals_are_the_papers_filters() -> None:
    """Convolutions with [[0, ½], [½, 0]] and [[½, 0], [0, ½]] at stride 2."""
    picture = _picture(6, 9)
    for mean, kernel in zip(diagonal_means(picture), ([[0, 0.5], [0.5, 0]], [[0.5, 0], [0, 0.5]]), strict=True):
        weight = torch.tensor(kernel, dtype=torch.float64).expand(3, 1, 2, 2)
        assert torch.allclose(mean, torch.nn.functional.conv2d(picture, weight, stride=2, groups=3))


def test_zs_n2n_s_loss() -> None:
    noisy = _picture(10, 8)
    array = noisy.numpy()

    def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells = x.reshape(2, 3, x.shape[2] // 2, 2, x.shape[3] // 2, 2)
        return (cells[:, :, :, 0, :, 1] + cells[:, :, :, 1, :, 0]) / 2, (cells[:, :, :, 0, :, 0] + cells[:, :, :, 1, :, 1]) / 2

    def network(x: np.ndarray) -> np.ndarray:
        return _network(torch.from_numpy(x)).numpy()

    one, other = halves(array)
    whole_one, whole_other = halves(network(array))
    residual = 0.5 * (np.mean((network(one) - other) ** 2) + np.mean((network(other) - one) ** 2))
    consistency = 0.5 * (np.mean((network(one) - whole_one) ** 2) + np.mean((network(other) - whole_other) ** 2))
    assert ZSN2N().loss(_network, noisy).item() == pytest.approx(residual + consistency)


def test_the_noises_of_both_halves_are_independent_if_those_of_pixels_are() -> None:
    noise = torch.randn(1, 1, 600, 600, generator=torch.Generator().manual_seed(0))
    kernel = torch.ones(1, 1, 2, 2) / 2
    correlated = torch.nn.functional.conv2d(noise, kernel)
    for field, low, high in ((noise, -0.02, 0.02), (correlated, 0.5, 1.0)):
        one, other = diagonal_means(field)
        assert low < float((one * other).mean() / (one.std() * other.std())) < high
