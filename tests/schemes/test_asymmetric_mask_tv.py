"""AMSNet-P's loss: total variation by hand, and the weighing of its two terms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.denoisers.dncnn import DnCNN
from unnoise.schemes.asymmetric_mask_tv import AsymmetricMaskTV, total_variation


@pytest.mark.parametrize(
    ("image", "total"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
        ([[0.0, 3.0], [4.0, 0.0]], 5.0 + 3.0 + 4.0),  # the corner sees both of its neighbours, the others one
        ([[1.0, 2.0, 4.0]], 1.0 + 2.0),
        ([[1.0], [2.0], [0.0]], 1.0 + 2.0),
        ([[0.0, 1.0], [0.0, 1.0]], 2.0),  # an upright edge of length two
        ([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 2.0 + math.sqrt(2)),
        ([[5.0]], 0.0),
    ],
)
def test_by_hand(image: list[list[float]], total: float) -> None:
    tensor = torch.tensor(image, dtype=torch.float64)[None, None]
    assert total_variation(tensor).item() * tensor.numel() == pytest.approx(total, abs=1e-12)


@given(batch=st.integers(1, 3), channels=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9))
def test_is_equation_nine_per_value(batch: int, channels: int, height: int, width: int) -> None:
    """Written out pixel by pixel."""
    image = np.random.default_rng(height).random((batch, channels, height, width))
    total = 0.0
    for one in image.reshape(-1, height, width):
        for i in range(height):
            for j in range(width):
                down = one[i + 1, j] - one[i, j] if i + 1 < height else 0.0
                right = one[i, j + 1] - one[i, j] if j + 1 < width else 0.0
                total += math.sqrt(down**2 + right**2)
    assert total_variation(torch.from_numpy(image)).item() == pytest.approx(total / image.size, rel=1e-12, abs=1e-12)


def test_flat_spots_give_finite_gradients() -> None:
    """The root's own gradient is infinite there, and masks make flat spots."""
    image = torch.zeros(1, 1, 6, 6, requires_grad=True)
    total_variation(image).backward()
    assert image.grad is not None
    assert (image.grad == 0).all()


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("masks", [2, 4])
@pytest.mark.parametrize("size", [(20, 25), (13, 9)])
def test_loss_is_equation_ten_per_value(weight: float, masks: int, size: tuple[int, int]) -> None:
    noisy, network = torch.rand(2, 3, *size), DnCNN(features=4, layers=3).eval()
    loss = AsymmetricMaskTV(weight=weight, masks=masks).loss(network, noisy, torch.Generator().manual_seed(0))
    restored = AsymmetricMaskTV(infer_stride=5, masks=masks).restore(network, noisy, torch.Generator().manual_seed(0))
    expected = weight * total_variation(restored) + (restored - noisy).abs().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_balance_does_not_depend_on_the_range_of_values() -> None:
    """The same picture in 0..255 has 255 times the loss, so that the weight means the same for every denoiser."""
    noisy = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    scheme = AsymmetricMaskTV()
    loss = scheme.loss(lambda x: x.roll(1, -1), noisy)
    assert scheme.loss(lambda x: x.roll(1, -1), noisy * 255).item() == pytest.approx(255 * loss.item(), rel=1e-9)
