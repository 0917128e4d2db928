"""D-BSN: the published numbers, its blindness, and its dense twin that is not blind."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN, DenseDBSN


def _published() -> tuple[DBSN, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    weights, cases = golden("apbsn")
    network = DBSN.from_weights({key.removeprefix("bsn."): value for key, value in weights.items()})
    assert network is not None
    return network, cases


def _gradient(network: DBSN, height: int, width: int, row: int, column: int) -> torch.Tensor:
    """|∂ output(row, column) / ∂ input|, summed over channels, (H, W)."""
    x = torch.rand(1, network.sizes["channels"], height, width, dtype=torch.float64, requires_grad=True)
    network(x)[..., row, column].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@pytest.mark.data
def test_golden_network_alone() -> None:
    network, cases = _published()
    with torch.no_grad():
        assert relative_error(network(cases["bsn"][0]), cases["bsn"][1]) < 1e-4


@pytest.mark.data
def test_published_sizes_are_inferred() -> None:
    network, _ = _published()
    assert network.sizes == {"channels": 3, "features": 8, "modules": 2, "strides": [2, 3]}


def test_parameters_at_full_size() -> None:
    with torch.device("meta"):
        assert DBSN().parameter_count() == 3_656_131
        assert DenseDBSN().parameter_count() == 3_656_131


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    modules=st.integers(1, 4),
    strides=st.sampled_from([(2,), (2, 3), (4,), (2, 3, 5)]),
)
def test_blind_at_any_size_and_place(
    height: int, width: int, place: tuple[float, float], modules: int, strides: tuple[int]
) -> None:
    network = wide_open(DBSN(features=4, modules=modules, strides=strides))
    row, column = int(place[0] * height), int(place[1] * width)
    assert _gradient(network, height, width, row, column)[row, column] == 0


def test_sees_its_neighbours() -> None:
    """Blindness alone would be met by a network that sees nothing."""
    seen = _gradient(wide_open(DBSN(features=8, modules=2)), 15, 15, 7, 7)[6:9, 6:9] > 0
    assert seen.sum() == 8
    assert not seen[1, 1]


def test_dense_twin_is_not_blind() -> None:
    assert _gradient(wide_open(DenseDBSN(features=8, modules=2)), 15, 15, 7, 7)[7, 7] > 0


def test_centre_weight_takes_no_part_even_when_set() -> None:
    network = wide_open(DBSN(features=4, modules=1))
    with torch.no_grad():
        network.get_submodule("branch1").body[0].weight[..., 1, 1] = 100.0
    assert _gradient(network, 9, 9, 4, 4)[4, 4] == 0


@pytest.mark.parametrize("network_class", [DBSN, DenseDBSN])
@pytest.mark.parametrize("modules", [1, 3])
def test_reach_is_exact(network_class: type[DBSN], modules: int) -> None:
    network = wide_open(network_class(features=4, modules=modules))
    reach, centre = network.receptive_field_radius, network.receptive_field_radius + 3
    rows, columns = torch.nonzero(_gradient(network, 2 * centre + 1, 2 * centre + 1, centre, centre), as_tuple=True)
    assert (rows - centre).abs().max() == reach
    assert (columns - centre).abs().max() == reach


def test_last_layer_keeps_its_precision_under_autocast() -> None:
    """Else every output would be a multiple of 1 in 128..255, and 16-bit pictures would band."""
    network = DBSN(features=16, modules=1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        result = network(torch.rand(1, 3, 16, 16) * 255)
    assert result.dtype == torch.float32
    assert not torch.equal(result, result.bfloat16().float())


def test_channels_are_free() -> None:
    network = denoisers.create("dbsn", channels=1, features=8, modules=1)
    assert network(torch.rand(2, 1, 7, 5)).shape == (2, 1, 7, 5)
    assert DBSN.infer_sizes(network.state_dict()) == network.sizes


def test_sizes_that_would_break_blindness_are_refused() -> None:
    with pytest.raises(denoisers.UsageError, match="at least 2"):
        denoisers.create("dbsn", strides=(1, 2))


def test_he_initialization_keeps_the_size_of_the_signal() -> None:
    """The published draw begins as a nearly constant black."""
    x = torch.rand(1, 3, 24, 24) * 255
    spread = {}
    for kind in ("default", "he"):
        network = DBSN(features=32, modules=3)
        network.initialize(kind)
        spread[kind] = network(x).std().item()
    assert spread["he"] > 10 * spread["default"]
    assert spread["he"] > 10
    network = DBSN(features=8, modules=1)
    network.initialize("he")
    before = network.get_submodule("branch1.body.6.body.2").weight
    assert not before.any()  # the residual modules begin as the identity
