"""R2R: both pictures have independent noise, so the best network is the one that knows the truth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise import denoisers
from unnoise.schemes.recorrupted import Recorrupted


def _pair(sigma: float, side: int = 400) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    clean, noise, extra = (torch.randn(1, 1, side, side, generator=draw) for _ in range(3))
    return 0.2 * clean, 0.2 * clean + sigma * noise, sigma * extra


@given(alpha=st.floats(0.3, 2), sigma=st.floats(0.05, 0.4))
def test_the_noises_of_both_pictures_are_uncorrelated(alpha: float, sigma: float) -> None:
    clean, noisy, extra = _pair(sigma)
    seen: list[torch.Tensor] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.zeros_like(x)

    loss = Recorrupted(alpha=alpha).loss(network, torch.cat([noisy, extra], 1))
    one, other = seen[0] - clean, noisy - extra / alpha - clean
    assert loss == pytest.approx((other + clean).square().mean().item(), rel=1e-4)
    assert abs((one * other).mean().item()) < 0.02 * one.std().item() * other.std().item()
    assert one.var().item() == pytest.approx((1 + alpha**2) * sigma**2, rel=0.02)


def test_the_best_linear_network_is_wieners() -> None:
    """Of a·x the loss is least where a = signal / (signal + noise of the input), which needs the truth to be told."""
    sigma, alpha = 0.3, 0.5
    _, noisy, extra = _pair(sigma)
    factors = torch.linspace(0, 1, 201)
    scheme = Recorrupted(alpha=alpha)
    losses = torch.stack([scheme.loss(lambda x, a=a: a * x, torch.cat([noisy, extra], 1)) for a in factors])
    wanted = 0.2**2 / (0.2**2 + (1 + alpha**2) * sigma**2)
    assert factors[losses.argmin()].item() == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("name", ["tmbsn", "dbsn"])
def test_the_networks_range_shifts_no_noise(name: str) -> None:
    """The loop brings crop and noise to the network's range, which moves black."""
    network = denoisers.create(name, features=4, **({"groups": 1, "blocks": 1} if name == "tmbsn" else {"modules": 1}))
    network.value_range = (-1.0, 1.0)
    scheme = Recorrupted().bind(lambda *_: None, network)  # type: ignore[arg-type, return-value]
    noisy, extra = torch.rand(1, 1, 8, 8), 0.1 * torch.randn(1, 1, 8, 8)
    shown = torch.cat([noisy, extra], 1) * 2 - 1
    assert scheme.loss(lambda x: x, shown) == pytest.approx(4 * Recorrupted().loss(lambda x: x, torch.cat([noisy, extra], 1)))
