"""CVF-SID's network against its layers written out one by one, and its published sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.cvf_sid import CVFSID


def _stack(w: dict[str, Tensor], at: str, x: Tensor, *, ends: bool = True) -> Tensor:
    """3×3 convolutions with ReLU; the last one is 1×1 and has none."""
    layers = sorted(
        int(key.removeprefix(f"{at}.").removesuffix(".weight")) for key in w if key.startswith(f"{at}.") and "weight" in key
    )
    for layer in layers:
        weight = w[f"{at}.{layer}.weight"]
        x = F.conv2d(x, weight, w[f"{at}.{layer}.bias"], padding=weight.shape[-1] // 2)
        x = x if ends and layer == layers[-1] else F.relu(x)
    return x


def test_the_network_is_the_papers() -> None:
    network, x = CVFSID(features=8, layers=4, noise_layers=2).double(), torch.rand(2, 3, 9, 11, dtype=torch.float64)
    w = network.state_dict()
    with torch.no_grad():
        clean = _stack(w, "genclean.genclean", x)
        features = _stack(w, "gen_noise.body", x - clean, ends=False)
        noises = [_stack(w, f"gen_noise.gen_noise_{kind}", features) for kind in "wb"]
        found = network(x, parts=True)
        torch.testing.assert_close(network(x), clean)
        torch.testing.assert_close(found.clean, clean)
        for noise, expected in zip((found.dependent, found.independent), noises, strict=True):
            torch.testing.assert_close(noise, expected - expected.mean((2, 3), keepdim=True))
    network.float()
    with torch.inference_mode():
        torch.testing.assert_close(network(x.float()), clean.float(), rtol=1e-4, atol=1e-5)


def test_reach_is_exact() -> None:
    network = CVFSID(features=4, layers=4, noise_layers=1).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    x = torch.rand(1, 3, 15, 15, dtype=torch.float64, requires_grad=True)
    network(x)[..., 7, 7].sum().backward()
    assert x.grad is not None
    rows = torch.nonzero(x.grad.abs().sum((0, 1, 3))).flatten()
    assert (rows.min(), rows.max()) == (7 - network.receptive_field_radius, 7 + network.receptive_field_radius)


def test_published_size_and_layout() -> None:
    with torch.device("meta"):
        network = CVFSID()
        assert network.parameter_count() == 1_185_865
        assert CVFSID.infer_sizes(network.state_dict()) == network.sizes
        state = network.state_dict()
    assert state["genclean.genclean.32.weight"].shape == (3, 64, 1, 1)
    assert state["gen_noise.body.18.weight"].shape == (64, 64, 3, 3)
    assert CVFSID.infer_sizes({key: value for key, value in state.items() if "gen_noise_w" not in key}) is None


def test_too_few_layers_are_refused() -> None:
    with pytest.raises(denoisers.UsageError, match="at least 2"):
        denoisers.create("cvf-sid", layers=1)
