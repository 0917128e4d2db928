"""TM-BSN: the published numbers, its diamond, many blind spots at once; and its student."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise import denoisers
from unnoise.denoisers.tmbsn import TMBSN, TMBSNStudent
from unnoise.errors import UsageError

SIZES = [0, 1, 2, 3, 4, 5, 6]


def _small() -> TMBSN:
    return TMBSN(channels=1, features=2, groups=2, blocks=2)


def _seen(network: torch.nn.Module, height: int, width: int, row: int, column: int, blind_spot: int) -> torch.Tensor:
    """Whether output (row, column) depends on each input pixel, (H, W)."""
    x = torch.rand(1, network.sizes["channels"], height, width, dtype=torch.float64, requires_grad=True)
    network(x, blind_spot=blind_spot)[..., row, column].sum().backward()
    return torch.zeros(height, width, dtype=torch.bool) if x.grad is None else x.grad.abs().sum((0, 1)) > 0


def _steps(height: int, width: int, row: int, column: int) -> torch.Tensor:
    """Distance to the place, rows and columns together."""
    return (torch.arange(height) - row).abs()[:, None] + (torch.arange(width) - column).abs()


@pytest.mark.data
def test_golden_for_every_blind_spot() -> None:
    weights, cases = golden("tmbsn")
    network = TMBSN.from_weights(weights)
    assert network is not None
    assert network.sizes == {"channels": 3, "features": 8, "groups": 2, "blocks": 2, "blind_spot": 4}
    assert len(cases) == 4
    for case, (x, expected) in cases.items():
        size = int(case.removeprefix("hole"))
        with torch.no_grad():
            assert relative_error(network(x, blind_spot=size), expected) < 1e-4, case
            assert relative_error(network.forward_blind_spots(x, [3, size])[1], expected) < 1e-4, case


def test_parameters_at_full_size() -> None:
    assert TMBSN().parameter_count() == 1_350_339
    assert TMBSNStudent().parameter_count() == 1_021_107


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("place", [(20, 20), (13, 24), (0, 0), (40, 30), (9, 30)])
def test_blind_to_the_diamond_and_to_no_more(size: int, place: tuple[int, int]) -> None:
    """As far as the reach of 12 convolutions allows, at the edges too."""
    steps = _steps(41, 31, *place)
    seen = _seen(wide_open(_small()), 41, 31, *place, size)
    assert not seen[steps < size].any()
    assert seen[(steps >= size) & (steps <= 9)].all()


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    size=st.integers(1, 6),
)
def test_blind_at_any_size_and_place(height: int, width: int, place: tuple[float, float], size: int) -> None:
    row, column = int(place[0] * height), int(place[1] * width)
    seen = _seen(wide_open(_small()), height, width, row, column, size)
    assert not seen[_steps(height, width, row, column) < size].any()


def test_blind_spot_of_zero_is_not_blind() -> None:
    assert _seen(wide_open(_small()), 9, 14, 5, 3, 0)[5, 3]


def test_masked_weights_take_no_part_even_when_set() -> None:
    network = wide_open(_small())
    with torch.no_grad():
        network.get_submodule("unet.conv2").weight[..., 2, 0] = 100.0
    assert not _seen(network, 15, 15, 7, 7, 2)[_steps(15, 15, 7, 7) < 2].any()


@pytest.mark.parametrize("size", [(24, 24), (9, 21), (2, 3)])
@pytest.mark.parametrize("gradient", [False, True])
def test_many_blind_spots_at_once_are_those_one_by_one(size: tuple[int, int], gradient: bool) -> None:
    network = TMBSN(features=8, groups=1, blocks=1)
    x = torch.rand(2, 3, *size)
    with torch.set_grad_enabled(gradient):
        together = network.forward_blind_spots(x, SIZES)
        for blind_spot, result in zip(SIZES, together, strict=True):
            assert relative_error(result, network(x, blind_spot=blind_spot)) < 1e-5


@pytest.mark.parametrize("blind_spot", [1, 4])
def test_reach_is_exact(blind_spot: int) -> None:
    network = wide_open(TMBSN(channels=1, features=1, groups=2, blocks=1, blind_spot=blind_spot))
    centre = network.receptive_field_radius + 2
    places = torch.nonzero(_seen(network, 2 * centre + 1, 2 * centre + 1, centre, centre, blind_spot)) - centre
    assert places.abs().amax(0).tolist() == [network.receptive_field_radius, network.receptive_field_radius]


def test_impossible_blind_spots_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        _small()(torch.rand(1, 1, 8, 8), blind_spot=-1)
    with pytest.raises(UsageError, match="at least 1"):
        denoisers.create("tmbsn", blind_spot=0)


def test_a_students_finest_scale_can_be_narrower() -> None:
    plain, narrow = denoisers.create("tmbsn-student", width=4), denoisers.create("tmbsn-student", width=4, finest=3)
    assert plain.sizes["finest"] == 8
    assert narrow.parameter_count() < plain.parameter_count()
    with torch.no_grad():  # the first three of eight features are the whole of the narrow one
        for name, tensor in plain.state_dict().items():
            inplace = narrow.state_dict()[name]
            inplace.copy_(tensor[tuple(slice(length) for length in inplace.shape)])
        plain.get_submodule("dec1_1").weight[:, 3:] = 0
        x = torch.rand(1, 3, 40, 33)
        assert torch.allclose(plain(x), narrow(x), atol=1e-6)
    again = denoisers.lookup("tmbsn-student").from_weights(narrow.state_dict())
    assert again is not None
    assert again.sizes == narrow.sizes


def test_student_joins_before_pooling() -> None:
    """The layout of the published student, built anew from its facts, on sides that need no padding."""
    network = TMBSNStudent(width=4)
    x = torch.rand(1, 3, 64, 32)

    def layer(name: str, features: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.leaky_relu(network.get_submodule(name).conv(features), 0.1)

    with torch.no_grad():
        skips, y = [], layer("enc1", x)
        for level in range(2, 7):
            skips.append(y)
            y = layer(f"enc{level}", torch.nn.functional.max_pool2d(y, 2))
        for level in range(5, 0, -1):
            y = torch.cat([y.repeat_interleave(2, 2).repeat_interleave(2, 3), skips[level - 1]], 1)
            y = layer(f"dec{level}_2", y)
            y = layer(f"dec{level}_1", y) if level > 1 else network.dec1_1(y)
        assert relative_error(network(x), y) < 1e-5


def test_last_layers_keep_their_precision_under_autocast() -> None:
    for network in (TMBSN(features=8, groups=1, blocks=1), TMBSNStudent(width=8)):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            result = network(torch.rand(1, 3, 32, 32))
        assert result.dtype == torch.float32
        assert not torch.equal(result, result.bfloat16().float())
