"""AT-BSN: the published numbers, its square blind spot, many blind spots at once, and any image size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise import denoisers
from unnoise.denoisers import tunable
from unnoise.denoisers.atbsn import ATBSN
from unnoise.errors import UsageError

HOLES = [0, 1, 3, 5, 7, 9, 11]


def _published() -> tuple[ATBSN, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    weights, cases = golden("atbsn")
    network = ATBSN.from_weights(weights)
    assert network is not None
    return network, cases


def _lively(**sizes: int) -> ATBSN:
    """Fresh weights, with biases that are not zero."""
    network = ATBSN(**sizes)
    for key, value in network.named_parameters():
        if key.endswith("bias"):
            torch.nn.init.uniform_(value, -1, 1)
    return network


def _seen(network: torch.nn.Module, size: tuple[int, int], places: list[tuple[int, int]], holes: list[int]) -> torch.Tensor:
    """Whether the output at each place, for each hole, depends on each input pixel, (holes, places, H, W)."""
    x = torch.rand(1, network.sizes["channels"], *size, dtype=torch.float64, requires_grad=True)
    results = network.forward_blind_spots(x, holes)
    seen = torch.zeros(len(holes), len(places), *size, dtype=torch.bool)
    for number, result in enumerate(results):
        for place, (row, column) in enumerate(places):
            (gradient,) = torch.autograd.grad(result[..., row, column].sum(), x, retain_graph=True, allow_unused=True)
            seen[number, place] = gradient is not None and gradient.abs().sum((0, 1)) > 0
    return seen


@pytest.fixture
def _open_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means in place of maxima: the same four pixels, but each of them can be seen to be one."""
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)


def _steps(height: int, width: int, row: int, column: int) -> torch.Tensor:
    """Distance to the place, the larger of rows and columns."""
    return torch.maximum((torch.arange(height) - row).abs()[:, None], (torch.arange(width) - column).abs())


@pytest.mark.data
def test_golden_for_every_blind_spot() -> None:
    network, cases = _published()
    assert network.sizes == {"channels": 3, "width": 8, "blind_spot": 3}
    assert len(cases) == 4
    for case, (x, expected) in cases.items():
        size = int(case.removeprefix("hole"))
        with torch.no_grad():
            assert relative_error(network(x, blind_spot=size), expected) < 1e-4, case
            assert relative_error(network.forward_blind_spots(x, [7, size])[1], expected) < 1e-4, case


def test_parameters_at_full_size() -> None:
    assert ATBSN().parameter_count() == 1_268_547


@pytest.mark.usefixtures("_open_pooling")
@pytest.mark.parametrize("size", [(40, 40), (33, 20), (7, 50), (1, 1), (1, 9)])
def test_blind_to_the_square_and_to_no_more(size: tuple[int, int]) -> None:
    """At some places the field is narrow where it leaves the pixel, and large squares lose a corner pixel outside as well."""
    height, width = size
    places = [(height // 2, width // 2), (0, 0), (height - 1, width - 1), (height // 3, width - 1), (height - 1, 0)]
    holes = [1, 3, 5, 9]
    seen = _seen(wide_open(ATBSN(channels=1, width=1)), size, places, holes)
    for number, hole in enumerate(holes):
        for place, (row, column) in enumerate(places):
            outside = _steps(height, width, row, column) > (hole - 1) // 2
            assert not seen[number, place][~outside].any()
            missed = (torch.nonzero(outside & ~seen[number, place]) - torch.tensor([row, column])).abs()
            corners = (missed.amax(1) == (hole + 1) // 2) & (missed.amin(1) >= 3)
            assert corners.all() if hole > 3 else not len(missed)


@settings(max_examples=8, deadline=None)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    share=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    hole=st.sampled_from([1, 3, 5, 7, 9, 11]),
)
def test_blind_at_any_size_and_place(size: tuple[int, int], share: tuple[float, float], hole: int) -> None:
    row, column = int(share[0] * size[0]), int(share[1] * size[1])
    (seen,) = _seen(wide_open(ATBSN(channels=1, width=1)), size, [(row, column)], [hole])[0]
    assert not seen[_steps(*size, row, column) <= (hole - 1) // 2].any()


def test_blind_spot_of_zero_is_not_blind() -> None:
    assert _seen(wide_open(ATBSN(channels=1, width=2)), (33, 20), [(7, 9)], [0])[0, 0, 7, 9]


def test_own_blind_spot_is_used_where_a_call_gives_none() -> None:
    network = ATBSN(channels=1, width=2, blind_spot=5)
    x = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x), network(x, blind_spot=5))
        assert not torch.equal(network(x), network(x, blind_spot=3))


@pytest.mark.parametrize("size", [(64, 64), (45, 70), (3, 2)])
@pytest.mark.parametrize("gradient", [False, True])
def test_many_blind_spots_at_once_are_those_one_by_one(size: tuple[int, int], gradient: bool) -> None:
    network = _lively(width=8)
    x = torch.rand(2, 3, *size) * 255
    with torch.set_grad_enabled(gradient):
        together = network.forward_blind_spots(x, HOLES)
        assert together.shape == (len(HOLES), *x.shape)
        for hole, result in zip(HOLES, together, strict=True):
            assert relative_error(result, network(x, blind_spot=hole)) < 1e-5


def test_strips_of_any_height_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _lively(width=4)
    x = torch.rand(1, 3, 37, 20) * 255
    with torch.no_grad():
        whole = network.forward_blind_spots(x, HOLES)
        for rows in (1, 5, 36):
            monkeypatch.setitem(tunable.STRIP_VALUES, "cpu", rows * 20 * network.nin_A.out_channels)
            assert relative_error(network.forward_blind_spots(x, HOLES), whole) < 1e-5
            assert relative_error(network(x), whole[2]) < 1e-5


@settings(max_examples=10, deadline=None)
@given(
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    corner=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    holes=st.lists(st.sampled_from([*HOLES, 63]), min_size=1, max_size=4),
    gradient=st.booleans(),
)
def test_parts_are_cut_from_the_whole_for_all_blind_spots(
    size: tuple[int, int], corner: tuple[float, float], share: tuple[float, float], holes: list[int], gradient: bool
) -> None:
    """Also those that are moved in from beyond the picture's edge."""
    starts = [int(c * length) for c, length in zip(corner, size, strict=True)]
    wanted = tuple(
        slice(start, start + max(1, round(s * (length - start)))) for start, s, length in zip(starts, share, size, strict=True)
    )
    network, x = _lively(width=2), torch.rand(2, 3, *size) * 255
    with torch.enable_grad() if gradient else torch.inference_mode():
        whole, part = network.forward_blind_spots(x, holes), network.forward_blind_spots(x, holes, region=wanted)
        single = network(x, holes[0], region=wanted)
    assert relative_error(part, whole[..., *wanted]) < 1e-5
    assert relative_error(single, whole[0][..., *wanted]) < 1e-5


@pytest.mark.parametrize("gradient", [False, True])
def test_a_single_pixel_leaves_the_weights_alone(gradient: bool) -> None:
    """Sums are made in place, and a map of one pixel lies in memory as the bias does."""
    network = _lively(width=2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.set_grad_enabled(gradient):
        network.forward_blind_spots(torch.rand(1, 3, 1, 1) * 255, HOLES)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_trunk_runs_once_for_all_blind_spots() -> None:
    network = ATBSN(width=2)
    calls = []
    network.unet.register_forward_hook(lambda *_: calls.append(1))
    network.forward_blind_spots(torch.rand(1, 3, 32, 32), HOLES)
    assert len(calls) == 1


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (50, 64)])
def test_other_sizes_stand_on_black_ground(size: tuple[int, int]) -> None:
    network = _lively(width=4)
    x = torch.rand(1, 3, *size) * 255
    padded = F.pad(x, (0, -size[1] % 32, 0, -size[0] % 32))
    with torch.no_grad():
        assert relative_error(network(x), network(padded)[..., : size[0], : size[1]]) < 1e-5


def test_padding_matters_near_the_edge_alone() -> None:
    """Whatever lies beyond the bottom edge, results farther away than the reach are the same."""
    network = ATBSN(channels=1, width=2).double()
    x = torch.rand(1, 1, 701, 32, dtype=torch.float64) * 255
    padded = F.pad(x, (0, 0, 0, 3), mode="reflect")
    with torch.no_grad():
        difference = (network(x) - network(padded)[..., :701, :]).abs().amax((0, 1, 3))
    assert difference[: 701 - network.receptive_field_radius].max() < 1e-9
    assert difference[-1] > 1e-6


@pytest.mark.usefixtures("_open_pooling")
def test_reach_is_exact() -> None:
    network = wide_open(ATBSN(channels=1, width=1))
    middle = -(-network.receptive_field_radius // 32) * 32
    rows = list(range(middle, middle + 32))
    seen = _seen(network, (2 * middle, 1), [(row, 0) for row in rows], [network.blind_spot])[0, ..., 0]
    farthest = max(int((torch.nonzero(seen[number]) - row).abs().max()) for number, row in enumerate(rows))
    assert farthest == network.receptive_field_radius


@pytest.mark.parametrize("wrong", [-1, 2, 4])
def test_impossible_blind_spots_are_refused(wrong: int) -> None:
    network = ATBSN(width=2)
    with pytest.raises(UsageError, match="odd number"):
        network(torch.rand(1, 3, 8, 8), blind_spot=wrong)
    with pytest.raises(UsageError, match="at least one"):
        network.forward_blind_spots(torch.rand(1, 3, 8, 8), [])


def test_a_network_that_would_not_be_blind_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        denoisers.create("atbsn", blind_spot=0)


def test_last_layer_keeps_its_precision_under_autocast() -> None:
    network = ATBSN(width=8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        result = network.forward_blind_spots(torch.rand(1, 3, 32, 32) * 255, [1, 3])
    assert result.dtype == torch.float32
    assert not torch.equal(result, result.bfloat16().float())
