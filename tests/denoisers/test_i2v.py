"""The network after I2V against its extractor written out, and the blindness of the part that teaches it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN
from unnoise.denoisers.i2v import I2V

SIZES = {"features": 4, "modules": 1, "noise_features": 6, "noise_layers": 4}


def test_the_result_is_the_picture_without_the_extracted_noise() -> None:
    network, x = I2V(**SIZES).double(), torch.rand(2, 3, 9, 11, dtype=torch.float64) * 255  # type: ignore[arg-type]
    w, noise = network.state_dict(), x
    for layer in (0, 2, 4, 6):
        noise = F.conv2d(noise, w[f"extractor.{layer}.weight"], w[f"extractor.{layer}.bias"], padding=1)
        noise = noise if layer == 6 else noise.clamp(min=0)
    components = torch.rand(5, 3, 6, 7, dtype=torch.float64)
    alone = DBSN(features=4, modules=1).double()
    alone.load_state_dict({key.removeprefix("blind."): value for key, value in w.items() if key.startswith("blind.")})
    with torch.no_grad():
        told = network(x, components)
        torch.testing.assert_close(network(x), x - noise)
        torch.testing.assert_close(told.noise, noise)
        torch.testing.assert_close(told.blind, alone(components))
    network.float()
    with torch.inference_mode():
        torch.testing.assert_close(network(x.float()), (x - noise).float(), rtol=1e-4, atol=1e-3)


def test_the_part_that_teaches_is_blind() -> None:
    torch.manual_seed(4)
    network = I2V(features=16, modules=1, noise_features=4, noise_layers=2).double()
    network.initialize_he()
    x = torch.rand(1, 3, 12, 10, dtype=torch.float64, requires_grad=True)
    for row, column in ((0, 0), (5, 7), (11, 9)):
        (seen,) = torch.autograd.grad(network(x[..., :2, :2], x).blind[..., row, column].sum(), x)
        assert torch.all(seen[..., row, column] == 0)
        assert seen.abs().sum() > 0


def test_sizes_are_read_from_the_weights() -> None:
    network = I2V(**SIZES)  # type: ignore[arg-type]
    state = network.state_dict()
    assert I2V.infer_sizes(state) == network.sizes
    assert I2V.infer_sizes({key: value for key, value in state.items() if key.startswith("blind.")}) is None
    with torch.device("meta"):
        assert I2V().parameter_count() == 4_213_574


def test_the_extractor_begins_with_little_noise() -> None:
    torch.manual_seed(1)
    network, x = I2V(features=4, modules=1, noise_features=32, noise_layers=6), 255 * torch.rand(1, 3, 32, 32)
    network.initialize_he()
    with torch.no_grad():
        assert (network(x) - x).std() < 0.3 * x.std()


def test_one_layer_is_refused() -> None:
    with pytest.raises(denoisers.UsageError, match="at least 2"):
        denoisers.create("i2v", noise_layers=1)
