"""SS-BSN: the published numbers, how blind it is, and its sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise import denoisers
from unnoise.denoisers import ssattention
from unnoise.denoisers.dbsn import DBSN
from unnoise.denoisers.ssattention import SSBlock
from unnoise.denoisers.ssbsn import SSBSN


def _gradient(network: torch.nn.Module, size: tuple[int, int], row: int, column: int) -> torch.Tensor:
    """|∂ output(row, column) / ∂ input|, summed over channels, (H, W)."""
    x = torch.rand(1, network.sizes["channels"], *size, dtype=torch.float64, requires_grad=True)
    network(x)[..., row, column].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


def _normalise_by_fixed_statistics(z: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    mean, variance = z.mean((1, 2, 3), keepdim=True).detach(), z.var((1, 2, 3), keepdim=True, correction=0).detach()
    return (z - mean) * torch.rsqrt(variance + eps)


@pytest.mark.data
@pytest.mark.parametrize("attention", ["auto", "exact"])
def test_golden(attention: str) -> None:
    weights, cases = golden("ssbsn")
    weights = {key.removeprefix("bsn."): value for key, value in weights.items()}
    sizes = SSBSN.infer_sizes(weights)
    assert sizes == {"channels": 3, "features": 8, "modules": 2, "attention_modules": 1, "strides": [2, 3]}
    network = SSBSN(**sizes, attention=attention)
    network.load_state_dict({key: value for key, value in weights.items() if not key.endswith(".mask")})
    with torch.no_grad():
        for case in ("bsn", "bsn_odd"):
            assert relative_error(network(cases[case][0]), cases[case][1]) < 1e-4, case


@pytest.mark.data
def test_published_weights_load() -> None:
    weights, cases = golden("ssbsn")
    network = SSBSN.from_weights({key.removeprefix("bsn."): value for key, value in weights.items()})
    assert network is not None
    with torch.no_grad():
        assert relative_error(network(cases["bsn"][0]), cases["bsn"][1]) < 1e-4


def test_parameters_at_full_size() -> None:
    assert SSBSN().parameter_count() == 6_410_947


@pytest.mark.parametrize("attention", ["exact", "linear"])
@settings(max_examples=8, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    share=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    gamma=st.integers(1, 3),
    strides=st.sampled_from([(2,), (2, 3), (4,)]),
)
def test_exactly_blind_but_for_the_statistics_of_the_map(
    attention: str, size: tuple[int, int], share: tuple[float, float], gamma: int, strides: tuple[int]
) -> None:
    network = SSBSN(features=4, modules=3, attention_modules=2, gamma=gamma, strides=strides, attention=attention).double()
    row, column = int(share[0] * size[0]), int(share[1] * size[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssattention, "normalize_map", _normalise_by_fixed_statistics)
        assert _gradient(network, size, row, column)[row, column] == 0


@pytest.mark.parametrize("attention", ["exact", "linear"])
def test_statistics_of_the_map_tell_a_little_of_the_pixel(attention: str) -> None:
    """What 'approximate' means; if this were exactly zero the network should declare itself strict."""
    torch.manual_seed(0)
    network = SSBSN(features=16, modules=4, attention_modules=3, attention=attention).double()
    seen = _gradient(network, (30, 30), 15, 15)
    assert 0 < seen[15, 15] < 1e-4 * seen.max()
    assert network.blindness == "approximate"


@settings(max_examples=8, deadline=None)
@given(size=st.tuples(st.integers(1, 20), st.integers(1, 20)), share=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)))
def test_without_attention_strictly_blind(size: tuple[int, int], share: tuple[float, float]) -> None:
    network = wide_open(SSBSN(features=4, modules=2, attention_modules=0))
    row, column = int(share[0] * size[0]), int(share[1] * size[1])
    assert _gradient(network, size, row, column)[row, column] == 0
    assert network.blindness == "strict"


def test_sees_its_neighbours() -> None:
    seen = _gradient(wide_open(SSBSN(features=4, modules=2, attention_modules=0)), (15, 15), 7, 7)[6:9, 6:9] > 0
    assert seen.sum() == 8
    assert not seen[1, 1]


def test_reach() -> None:
    assert SSBSN(features=4, modules=2, attention_modules=1).receptive_field_radius is None
    network = wide_open(SSBSN(features=4, modules=2, attention_modules=0))
    centre = network.receptive_field_radius + 2
    places = torch.nonzero(_gradient(network, (2 * centre + 1, 2 * centre + 1), centre, centre)) - centre
    assert places.abs().amax(0).tolist() == [network.receptive_field_radius, network.receptive_field_radius]


@pytest.mark.parametrize("attention_modules", [0, 1, 3])
def test_the_last_modules_are_attentive(attention_modules: int) -> None:
    network = SSBSN(channels=1, features=4, modules=3, attention_modules=attention_modules, strides=(2,))
    attentive = [isinstance(module, SSBlock) for module in network.get_submodule("branch1.body")[6:9]]
    assert attentive == [False] * (3 - attention_modules) + [True] * attention_modules
    sizes = SSBSN.infer_sizes(network.state_dict())
    assert sizes is not None
    assert network.sizes == sizes | {"gamma": 2, "attention": "auto"}
    assert DBSN.infer_sizes(network.state_dict()) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 17), (9, 4)])
def test_any_size_and_channels(size: tuple[int, int]) -> None:
    network = denoisers.create("ssbsn", channels=1, features=4, modules=2, attention_modules=2)
    x = torch.rand(2, 1, *size)
    assert network(x).shape == x.shape
    assert network(x).isfinite().all()


def test_he_initialization_lets_the_blocks_begin_as_the_identity() -> None:
    network = SSBSN(features=16, modules=3, attention_modules=1)
    network.initialize("he")
    block = network.get_submodule("branch1.body.6")
    assert block.conv2.weight.std().item() == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.2)
    assert not block.conv3.weight.any()


def test_last_layer_keeps_its_precision_under_autocast() -> None:
    network = SSBSN(features=16, modules=2, attention_modules=1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        result = network(torch.rand(1, 3, 16, 16) * 255)
    assert result.dtype == torch.float32
    assert not torch.equal(result, result.bfloat16().float())


@pytest.mark.parametrize("wrong", [{"attention_modules": 10}, {"attention_modules": -1}, {"gamma": 0}, {"attention": "none"}])
def test_impossible_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError, match=next(iter(wrong))):
        denoisers.create("ssbsn", **wrong)
