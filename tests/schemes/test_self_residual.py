"""The loss after I2V pixel by pixel, and its refinement round by round."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN
from unnoise.denoisers.i2v import I2V
from unnoise.errors import UsageError
from unnoise.regions import RegionSource
from unnoise.rng import PositionalGenerator
from unnoise.schemes.random_subsamples import random_order
from unnoise.schemes.self_residual import SelfResidual


def _network() -> I2V:
    torch.manual_seed(2)
    network = I2V(features=4, modules=1, noise_features=4, noise_layers=3).double()
    network.initialize_he()
    return network


def _dealt(x: Tensor, stride: int, order: Tensor, number: int) -> Tensor:
    """Sub-sample `number`: of each cell the pixel that the order names."""
    rows, columns = order.shape[-2:]
    result = torch.empty(len(x), x.shape[1], rows, columns, dtype=x.dtype)
    for image in range(len(x)):
        for row in range(rows):
            for column in range(columns):
                place = int(order[image, number, 0, row, column])
                down, right = divmod(place, stride)
                result[image, :, row, column] = x[image, :, row * stride + down, column * stride + right]
    return result


def _plain_loss(network: I2V, x: Tensor, scheme: SelfResidual, order: Tensor) -> Tensor:
    stride = scheme.train_stride
    x = x[..., : x.shape[-2] // stride * stride, : x.shape[-1] // stride * stride]
    noise, blind = x - network(x), network.blind
    errors, left = [], torch.empty_like(x)
    for down in range(stride):
        for right in range(stride):
            component = x[..., down::stride, right::stride]
            told = blind(component)
            errors.append((told - component).abs().mean())
            left[..., down::stride, right::stride] = (component - told).detach()
    agree = [
        (blind(_dealt(x, stride, order, number)) - _dealt(x - noise, stride, order, number)).abs().mean()
        for number in range(scheme.subsamples)
    ]
    means = [noise[image, channel].mean().abs() for image in range(len(x)) for channel in range(3)]
    loss = torch.stack(errors).mean() + scheme.residual * (noise - left).abs().mean()
    return loss + scheme.order * torch.stack(agree).mean() + scheme.prior * torch.stack(means).mean()


def test_the_loss_pixel_by_pixel() -> None:
    network, noisy = _network(), 255 * torch.rand(2, 3, 13, 10, dtype=torch.float64)
    scheme = SelfResidual(train_stride=3, residual=0.7, order=0.3, prior=0.2, subsamples=4)
    order = random_order(noisy[..., :12, :9], 3, torch.Generator().manual_seed(5))
    loss = scheme.loss(network, noisy, torch.Generator().manual_seed(5))
    expected = _plain_loss(network, noisy, scheme, order)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(each, list(network.parameters()), allow_unused=True) for each in (loss, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_what_the_extractor_learns_from_does_not_teach_the_blind_network() -> None:
    network, noisy = _network(), 255 * torch.rand(1, 3, 10, 10, dtype=torch.float64)
    gradients = []
    for weight in (0.0, 5.0):
        network.zero_grad()
        SelfResidual(train_stride=2, residual=weight, order=0, prior=0).loss(network, noisy).backward()
        gradients.append(torch.cat([each.grad.flatten() for each in network.blind.parameters() if each.grad is not None]))
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().sum() > 0


def test_pr3_round_by_round() -> None:
    network, noisy = _network(), 255 * torch.rand(1, 3, 12, 9, dtype=torch.float64)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        results = [network(noisy)]
        for _ in range(3):
            mean = torch.stack(results).mean(0)
            mixed = mean.clone()
            replaced = torch.rand(noisy.shape, generator=draws) < 0.4
            mixed[replaced] = noisy[replaced]
            results.append(network(mixed))
        found = SelfResidual(rounds=3, probability=0.4).restore(network, noisy, torch.Generator().manual_seed(3))
        torch.testing.assert_close(found, torch.stack(results).mean(0))
        torch.testing.assert_close(SelfResidual(rounds=0).restore(network, noisy), results[0])


@pytest.mark.parametrize("rounds", [0, 2])
def test_a_region_is_that_of_the_whole(rounds: int) -> None:
    network, noisy = _network(), 255 * torch.rand(1, 3, 40, 44, dtype=torch.float64)
    scheme, region = SelfResidual(rounds=rounds), (slice(14, 21), slice(20, 25))
    view = RegionSource((40, 44), lambda rows, columns: noisy[..., rows, columns])
    with torch.no_grad():
        whole = scheme.restore(network, noisy, PositionalGenerator(7))
        part = scheme.restore_region(network, view, region, network.receptive_field_radius, 1, PositionalGenerator(7))
    torch.testing.assert_close(part, whole[..., *region])
    assert scheme.is_random == (rounds > 0)


def test_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="take the denoiser i2v"):
        SelfResidual().check(DBSN)
    assert denoisers.names_of(I2V) == ["i2v"]
