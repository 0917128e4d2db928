"""Supervised training and Noise2Noise: the losses are the papers', and their best results the clean picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.schemes.noise2noise import Noise2Noise
from unnoise.schemes.supervised import Supervised


def _crops(seed: int) -> torch.Tensor:
    return torch.rand(3, 6, 8, 9, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 99), factor=st.floats(-2, 2))
def test_the_losses_are_numpy_s(seed: int, factor: float) -> None:
    crops = _crops(seed)
    difference = crops.numpy()[:, :3].astype(np.float64) * factor - crops.numpy()[:, 3:]
    expected = {
        "squared": np.mean(difference**2),
        "absolute": np.mean(np.abs(difference)),
        "charbonnier": np.mean(np.sqrt(difference**2 + 1e-4)),
    }
    for error, value in expected.items():
        scheme = Supervised(error=error, epsilon=1e-2)  # type: ignore[arg-type]
        assert scheme.loss(lambda x: factor * x, crops).item() == pytest.approx(value, rel=1e-4, abs=1e-6)


def test_the_network_sees_the_noisy_picture_alone() -> None:
    crops = _crops(0)
    for scheme in (Supervised(), Noise2Noise(exchange=False)):
        seen: list[torch.Tensor] = []
        scheme.loss(lambda x, seen=seen: seen.append(x) or x, crops, torch.Generator())  # type: ignore[attr-defined]
        assert torch.equal(seen[0], crops[:, :3])


def test_either_exposure_is_seen_and_the_other_one_is_the_target() -> None:
    first, second = torch.zeros(400, 1, 2, 2), torch.ones(400, 1, 2, 2)
    crops = torch.cat([first, second], dim=1)
    seen: list[torch.Tensor] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return 1 - x

    assert Noise2Noise().loss(network, crops, torch.Generator().manual_seed(1)) == 0
    assert 0.4 < seen[0].mean() < 0.6
    again = Noise2Noise().loss(lambda x: x * seen[0].mean(), crops, torch.Generator().manual_seed(1))
    assert again == Noise2Noise().loss(lambda x: x * seen[0].mean(), crops, torch.Generator().manual_seed(1))


def test_the_best_linear_network_is_wieners_for_both() -> None:
    """Of a·x the losses are least where a = signal / (signal + noise), though Noise2Noise never sees the signal."""
    draw = torch.Generator().manual_seed(0)
    signal, one, other = (torch.randn(1, 1, 400, 400, generator=draw) for _ in range(3))
    noisy, second = signal + 0.5 * one, signal + 0.5 * other
    factors = torch.linspace(0, 1.2, 121)
    for scheme, target in ((Supervised(error="squared"), signal), (Noise2Noise(), second)):
        losses = [scheme.loss(lambda x, a=a: a * x, torch.cat([noisy, target], 1), torch.Generator()) for a in factors]
        assert factors[torch.stack(losses).argmin()].item() == pytest.approx(1 / 1.25, abs=0.02)
