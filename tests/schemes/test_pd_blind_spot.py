"""The asymmetric PD scheme: the published numbers at both strides, any size, and what its loss is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise.denoisers.dbsn import DBSN
from unnoise.schemes.pd_blind_spot import PDBlindSpot


@pytest.mark.data
@pytest.mark.parametrize(("case", "stride"), [("train_pd5", 5), ("denoise_pd2", 2), ("denoise_pd2_odd", 2)])
def test_golden(case: str, stride: int) -> None:
    weights, cases = golden("apbsn")
    network = DBSN.from_weights({key.removeprefix("bsn."): value for key, value in weights.items()})
    assert network is not None
    noisy, expected = cases[case]
    with torch.no_grad():
        assert relative_error(PDBlindSpot(infer_stride=stride).restore(network, noisy), expected) < 1e-4


def test_loss_is_the_mean_distance_to_the_noisy_image() -> None:
    noisy = torch.rand(2, 3, 20, 25)
    network = DBSN(features=4, modules=1)
    scheme = PDBlindSpot(train_stride=5)
    restored = PDBlindSpot(infer_stride=5).restore(network, noisy)
    assert scheme.loss(network, noisy).item() == pytest.approx((restored - noisy).abs().mean().item(), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 17), width=st.integers(1, 17), stride=st.integers(1, 6))
def test_an_identity_network_changes_nothing(height: int, width: int, stride: int) -> None:
    noisy = torch.rand(2, 3, height, width)
    scheme = PDBlindSpot(infer_stride=stride, train_stride=stride)
    assert torch.equal(scheme.restore(lambda x: x, noisy), noisy)
    assert torch.equal(scheme.refine(lambda x: x, noisy), noisy)
    assert scheme.loss(lambda x: x, noisy) == 0


def test_stays_blind_through_pd() -> None:
    noisy = torch.rand(1, 3, 11, 13, dtype=torch.float64, requires_grad=True)
    network = wide_open(DBSN(features=4, modules=2))
    PDBlindSpot(infer_stride=2).restore(network, noisy)[..., 5, 6].sum().backward()
    assert noisy.grad is not None
    assert noisy.grad[..., 5, 6].abs().sum() == 0
    assert noisy.grad.abs().sum() > 0


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="train_stride"):
        PDBlindSpot(train_stride=0)
    with pytest.raises(ValueError, match="stride"):
        PDBlindSpot(stride=2)  # type: ignore[call-arg]
