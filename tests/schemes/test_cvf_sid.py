"""CVF-SID's loss against the paper's terms, one call of the network after another."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.cvf_sid import CVFSID, CVFSIDTwice
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UsageError
from unnoise.schemes.cvf_sid import CVFSIDScheme, local_deviation
from unnoise.schemes.cvf_sid_twice import CVFSIDTwiceScheme


def _pad(x: Tensor, border: int) -> Tensor:
    return F.pad(x, (border,) * 4, mode="reflect")


def _again(x: Tensor, border: int) -> Tensor:
    return _pad(x[..., border:-border, border:-border], border)


def _as_published(network: CVFSID, noisy: Tensor, border: int, weight: float) -> Tensor:
    def apart(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return network(x, parts=True)

    x, mse = _pad(noisy, border), F.mse_loss
    w, b, c = apart(x)
    zero = torch.zeros_like(c)
    w1, b1, c1 = apart(_again(c, border))
    w2, b2, c2 = apart(_again(c + c * w, border))
    _, b3, c3 = apart(_again(b, border))
    loss = mse(c + c * w + b, x) + mse(c1, c) + mse(b3, b) + mse(w2, w) + mse(c2, c)
    loss = loss + mse(c3, zero) + mse(w1, zero) + mse(b1, zero) + mse(b2, zero)
    blur = F.avg_pool2d(c, 6, stride=1, padding=3)
    signal = blur.square().mean((2, 3))
    both = (signal * w.flatten(2).std(-1) ** 2 + b.flatten(2).std(-1) ** 2).sqrt()
    loss = loss + mse(both, local_deviation(noisy))
    for one, other in ((1, -1), (-1, 1), (-1, -1), (1, 1), (0, 1), (0, -1), (-1, 0)):
        w4, b4, c4 = apart(_again(c + one * c * w + other * b, border))
        loss = loss + weight * (mse(c4, c) + mse(w4, one * w) + mse(b4, other * b))
    return loss


def test_loss_is_the_papers() -> None:
    network, noisy = CVFSID(features=6, layers=3, noise_layers=2).double(), torch.rand(2, 3, 20, 17, dtype=torch.float64)
    loss = CVFSIDScheme(border=5).loss(network, noisy)
    expected = _as_published(network, noisy, 5, 0.1)
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(each, list(network.parameters()), allow_unused=True) for each in (loss, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_local_deviation_is_that_of_each_window() -> None:
    x = torch.rand(1, 2, 9, 8, dtype=torch.float64)
    windows = [x[..., i : i + 6, j : j + 6].flatten(2).std(-1, unbiased=False) for i in range(4) for j in range(3)]
    torch.testing.assert_close(local_deviation(x), torch.stack(windows).mean(0))


def test_restoring_pads_by_reflection() -> None:
    network, x, scheme = CVFSID(features=4, layers=3, noise_layers=1), torch.rand(1, 3, 9, 30), CVFSIDScheme(border=4)
    with torch.no_grad():
        expected = network(_pad(x, 4))[..., 4:-4, 4:-4]
        torch.testing.assert_close(scheme.restore(network, x), expected)
        region = slice(2, 5), slice(7, 20)
        torch.testing.assert_close(scheme.restore_cropped(network, x, region), expected[..., *region])


def test_other_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="take the denoiser cvf-sid"):
        CVFSIDScheme().check(DBSN)


def _twice() -> CVFSIDTwice:
    torch.manual_seed(3)
    return CVFSIDTwice(features=4, layers=3, noise_layers=1)


def test_the_second_network_learns_from_what_the_first_restored() -> None:
    network, noisy = _twice(), torch.rand(2, 3, 20, 17)
    once = network.first(_pad(noisy, 4))[..., 4:-4, 4:-4]
    expected = CVFSIDScheme(border=4).loss(network.second, once)
    loss = CVFSIDTwiceScheme(border=4).loss(network, noisy)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(each.grad is None for each in network.first.parameters())
    assert any(each.grad is not None for each in network.second.parameters())


def test_both_networks_restore_one_after_the_other() -> None:
    network, x, scheme = _twice(), torch.rand(1, 3, 19, 30), CVFSIDTwiceScheme(border=4)
    with torch.no_grad():
        once = network.first(_pad(x, 4))[..., 4:-4, 4:-4]
        expected = network.second(_pad(once, 4))[..., 4:-4, 4:-4]
        torch.testing.assert_close(scheme.restore(network, x), expected)
        for region in ((slice(2, 5), slice(7, 20)), (slice(0, 9), slice(25, 30))):
            torch.testing.assert_close(scheme.restore_cropped(network, x, region), expected[..., *region])
        torch.testing.assert_close(network(x), network.second(network.first(x)))


class _Loaded:
    def __init__(self, network: Denoiser) -> None:
        self.first_network = network


def test_the_first_network_is_the_teacher() -> None:
    network, first = _twice(), CVFSID(features=4, layers=3, noise_layers=1)
    scheme = CVFSIDTwiceScheme(teachers=["runs/first"])  # type: ignore[arg-type]
    bound = scheme.bind(lambda *_: _Loaded(first), network)  # type: ignore[arg-type,return-value]
    assert "runs/first" in str(bound.initialize(network))
    for one, other in zip(first.parameters(), network.first.parameters(), strict=True):
        assert torch.equal(one, other)
    for wrong in (CVFSID(features=5, layers=3, noise_layers=1), DBSN(features=4, modules=1)):
        with pytest.raises(UsageError, match=r"no CVF-SID of the sizes .*'features': 4"):
            scheme.bind(lambda *_, wrong=wrong: _Loaded(wrong), network)  # type: ignore[misc,arg-type,return-value]
    with pytest.raises(UsageError, match="one first network"):
        CVFSIDTwiceScheme().bind(lambda *_: _Loaded(first), network)  # type: ignore[arg-type,return-value]
    with pytest.raises(UsageError, match="take the denoiser cvf-sid-twice"):
        CVFSIDTwiceScheme().check(CVFSID)
    assert denoisers.name_of(network.from_weights(network.state_dict()) or first) == "cvf-sid-twice"
