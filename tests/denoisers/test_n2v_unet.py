"""The networks of Noise2Void, N2V2 and ZS-N2N: sizes, receptive fields, and the pooling against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import denoisers
from unnoise.denoisers.n2v_unet import BlurPool

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("n2v-unet", {"features": 3}),
    ("n2v-unet", {"features": 3, "depth": 1, "blur_pool": True}),
    ("n2v-unet", {"features": 2, "depth": 3, "blur_pool": True}),
    ("zs-n2n", {"features": 3}),
]


def test_the_papers_numbers_of_parameters() -> None:
    assert denoisers.create("zs-n2n").parameter_count() == 22_275  # "22k" in the paper's table
    # By hand: 3×3 convolutions with biases and two values of each feature for the normalization, a last one of 1×1.
    pairs = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 64), (128, 64), (64, 32), (64, 32), (32, 32)]
    expected = sum(9 * taken * given_ + 3 * given_ for taken, given_ in pairs) + 32 + 1
    assert denoisers.create("n2v-unet", channels=1).parameter_count() == expected


@settings(deadline=None, max_examples=10)
@given(height=st.integers(1, 9), width=st.integers(1, 21))
@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
def test_any_size(name: str, sizes: dict[str, Any], height: int, width: int) -> None:
    network = denoisers.create(name, **sizes).eval()
    assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
def test_the_receptive_field(name: str, sizes: dict[str, Any]) -> None:
    """No pixel farther than the radius counts, and some pixel as far does but for what max-pooling does not choose."""
    network = denoisers.create(name, **sizes).double().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.uniform_(module.weight, 0.1, 1)  # nothing is cut off by a ReLU
    radius = network.receptive_field_radius
    assert radius is not None
    side = 2 * (radius + 8)
    farthest = 0
    for seed in range(3):
        x = torch.rand(1, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        for place in range(side // 2, side // 2 + network.size_multiple):
            (gradient,) = torch.autograd.grad(network(x)[0, 0, place, place], x)
            rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
            farthest = max(farthest, place - int(rows.min()), int(rows.max()) - place)
    assert radius - 3 <= farthest <= radius


def test_blurred_pooling_by_loops() -> None:
    x = torch.rand(1, 1, 6, 8, dtype=torch.float64)
    image = np.pad(x[0, 0].numpy(), ((0, 1), (0, 1)), mode="edge")
    largest = np.array([[image[i : i + 2, j : j + 2].max() for j in range(8)] for i in range(6)])
    padded = np.pad(largest, 1, mode="edge")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = [[(padded[i : i + 3, j : j + 3] * kernel).sum() for j in range(0, 8, 2)] for i in range(0, 6, 2)]
    assert BlurPool()(x)[0, 0].numpy() == pytest.approx(np.array(expected))


def test_n2v2_has_no_skip_at_full_resolution() -> None:
    """Without it, all that the result knows of a pixel has gone through the pooling."""
    network = denoisers.create("n2v-unet", features=3, blur_pool=True)
    first = network.up[-1][0]  # type: ignore[index, operator, union-attr]
    assert first.weight.shape[1] == 3
    assert denoisers.create("n2v-unet", features=3).up[-1][0].weight.shape[1] == 6  # type: ignore[index, operator, union-attr]
