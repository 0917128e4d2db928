"""A part of a network's result is that of the whole, worked out with less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.layers.partial import halo_crop as parts
from unnoise.layers.partial.halo_crop import (
    deepest_path,
    full_region,
    half_resolution,
    input_interval,
    max_pool,
    row_strips,
    with_halo,
)
from unnoise.layers.partial.row_chunks import force_chunking
from unnoise.layers.receptive_field import kernel_span
from unnoise.regions import Region

SPARING: dict[str, dict[str, Any]] = {
    "tmbsn": {"features": 2, "groups": 3, "blocks": 1},
    "atbsn": {"width": 2},
    "atbsn-student-c": {"width": 2},
    "tmbsn-student": {"width": 2},
    "tmbsn-student-rounded": {"width": 2},
    "unet": {"features": 2},
    "dbsn": {"features": 4, "modules": 3},
    "dbsn-dense": {"features": 4, "modules": 3},
    "ssbsn": {"features": 4, "modules": 3, "attention_modules": 0},
}
OTHERS: dict[str, dict[str, Any]] = {
    "unet-blindspot": {"features": 2},
    "dncnn": {"features": 2, "layers": 3},
}


@pytest.fixture(scope="module", autouse=True)
def _strips_of_small_pictures() -> Iterator[None]:
    """They are made of large ones alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "SMALL_BATCH_PIXELS", 0)
        patch.setattr(parts, "MIN_STRIP_ROWS", 16)
        yield


def _loud(name: str, sizes: dict[str, Any]) -> Denoiser:
    """With weights large enough that all that is seen tells."""
    torch.manual_seed(0)
    network = denoisers.create(name, **sizes).eval()
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
        else:
            torch.nn.init.uniform_(parameter, -0.3, 0.3)
    return network


def _assert_cut_from_the_whole(network: Denoiser, x: Tensor, wanted: Region) -> None:
    whole = network(x)
    assert whole.std() > 0
    part = network.forward_region(x, wanted)
    assert part.shape == whole[..., *wanted].shape
    assert (part - whole[..., *wanted]).abs().max() <= 1e-5 * whole.abs().max()


@pytest.mark.parametrize(
    ("name", "sizes"), (SPARING | OTHERS).items(), ids=lambda value: value if isinstance(value, str) else ""
)
@settings(max_examples=6, deadline=None)
@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 70)),
    corner=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    gradient=st.booleans(),
)
def test_a_part_is_cut_from_the_whole(
    name: str,
    sizes: dict[str, Any],
    size: tuple[int, int],
    corner: tuple[float, float],
    share: tuple[float, float],
    gradient: bool,
) -> None:
    starts = [int(c * length) for c, length in zip(corner, size, strict=True)]
    rows, columns = (
        slice(start, start + max(1, round(s * (length - start)))) for start, s, length in zip(starts, share, size, strict=True)
    )
    network, x = _loud(name, sizes), torch.rand(1, 3, *size)
    with torch.enable_grad() if gradient else torch.inference_mode():
        _assert_cut_from_the_whole(network, x, (rows, columns))


@pytest.mark.parametrize(("name", "sizes"), SPARING.items(), ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_parts_at_the_edges_and_in_the_middle(name: str, sizes: dict[str, Any], gradient: bool, turned: bool) -> None:
    """Of stripes that are longer than the reach to both sides."""
    network = _loud(name, sizes)
    assert network.receptive_field_radius is not None
    length = 2 * network.receptive_field_radius + 77
    x = torch.rand(1, 3, length, 45)
    middle = length // 2
    with torch.enable_grad() if gradient else torch.inference_mode():
        for along in (slice(0, 21), slice(middle, middle + 1), slice(middle - 15, middle + 18), slice(length - 5, length)):
            for across in (slice(0, 3), slice(17, 30), slice(43, 45)):
                if turned:
                    _assert_cut_from_the_whole(network, x.mT, (across, along))
                else:
                    _assert_cut_from_the_whole(network, x, (along, across))


@pytest.mark.parametrize(("name", "sizes"), SPARING.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_part_takes_a_part_of_the_work(name: str, sizes: dict[str, Any]) -> None:
    """With a gradient, as the counter does not know the fused layers."""
    network = denoisers.create(name, **sizes)
    assert network.receptive_field_radius is not None
    halo = -(-network.receptive_field_radius // 32) * 32
    x = torch.rand(1, 3, 2 * halo + 64, 2 * halo + 64)
    core = slice(halo, halo + 64)

    def work(wanted: Region) -> int:
        with FlopCounterMode(display=False) as counter:
            network.forward_region(x, wanted)
        return counter.get_total_flops()

    with FlopCounterMode(display=False) as counter:
        network(x)
    assert work((core, core)) < 0.6 * counter.get_total_flops()
    assert work(full_region(x)) <= counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "sizes", "maps"),
    [("atbsn-student-c", {"width": 8}, 16), ("tmbsn-student", {"width": 8}, 16), ("unet", {"features": 8}, 96)],
)
def test_a_part_takes_a_part_of_the_memory(name: str, sizes: dict[str, Any], maps: int) -> None:
    """And the whole not much more than one scale's features at full size, as it is worked out in strips."""
    network = denoisers.create(name, **sizes).eval()
    x = torch.rand(1, 3, 512, 512)
    with torch.no_grad():
        whole = peak_bytes(lambda: network(x))
        part = peak_bytes(lambda: network.forward_region(x, (slice(160, 352), slice(160, 352))))
    assert whole < 1.2 * maps * 512 * 512 * 4
    assert part < 0.75 * whole


def test_who_spares_the_halo_says_so() -> None:
    assert all(denoisers.create(name, **sizes).crops_halo for name, sizes in SPARING.items())
    assert not any(denoisers.create(name, **sizes).crops_halo for name, sizes in OTHERS.items())


@pytest.mark.parametrize("name", SPARING)
def test_what_a_pixel_of_the_halo_costs(name: str) -> None:
    """At full width, counted with a gradient, as the counter does not know the fused layers."""

    def work(network: Denoiser, side: int, core: int) -> float:
        wanted = slice((side - core) // 2, (side + core) // 2)
        with FlopCounterMode(display=False) as counter:
            network.forward_region(torch.empty(1, 3, side, side), (wanted, wanted))
        return counter.get_total_flops()

    with FakeTensorMode():  # shapes alone
        network = denoisers.create(name, **({"attention_modules": 0} if name == "ssbsn" else {})).eval()
        assert network.receptive_field_radius is not None
        core, side = 1024, 1024 + 2 * -(-network.receptive_field_radius // network.size_multiple) * network.size_multiple
        alone, around = work(network, core, core), work(network, side, core)
    cost = (around - alone) / alone * core**2 / (side**2 - core**2)
    assert cost == pytest.approx(network.halo_relative_cost, rel=0.25)


@given(start=st.integers(0, 40), length=st.integers(1, 40), upward=st.booleans())
def test_what_two_convolutions_see(start: int, length: int, upward: bool) -> None:
    place = slice(start, start + length), slice(start, start + length)
    rows, columns = with_halo(place, (80, 80), upward=upward)
    for stretch, above, below in ((rows, 4, 0) if upward else (rows, 2, 2), (columns, 2, 2)):
        assert max(0, start - above - 1) <= stretch.start <= max(0, start - above)
        assert min(80, start + length + below) <= stretch.stop <= start + length + below + 1
        assert stretch.start % 2 == stretch.stop % 2 == 0
    assert half_resolution((rows, columns))[0] == slice(rows.start // 2, rows.stop // 2)


def test_what_a_result_is_read_from() -> None:
    up, around = deepest_path(kernel_span(2, 0), kernel_span(1, 0, 2)), deepest_path(kernel_span(1, 1), kernel_span(0, 1, 2))
    assert input_interval(slice(640, 660), up, 1024, 32) == slice(352, 672)  # no row below but those that are pooled together
    assert input_interval(slice(640, 660), around, 1024, 32) == slice(512, 800)
    assert input_interval(slice(3, 7), around, 96, 32) == slice(0, 96)


@given(start=st.integers(0, 50), length=st.integers(1, 200))
def test_strips_cover_all_rows(start: int, length: int) -> None:
    rows, x = slice(start, start + length), torch.empty(1, 1, start + length + 32, 1)
    with torch.no_grad():
        pieces = row_strips(rows, x)
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(rows.start, rows.stop))
    assert max(piece.stop - piece.start for piece in pieces) < 16 + (start + length + 32) / 8
    assert row_strips(rows, x) == [rows]  # with a gradient


def test_small_pictures_are_not_cut_into_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALL_BATCH_PIXELS", 2 * 64 * 64)
    with torch.no_grad():
        assert row_strips(slice(0, 64), torch.empty(2, 1, 64, 64)) == [slice(0, 64)]
        assert len(row_strips(slice(0, 64), torch.empty(3, 1, 64, 64))) == 4
        with force_chunking():
            assert len(row_strips(slice(0, 64), torch.empty(2, 1, 64, 64))) == 4


@given(st.integers(2, 9), st.integers(2, 9), st.booleans(), st.booleans(), st.sampled_from([torch.float32, torch.bfloat16]))
def test_halved_is_pooling(height: int, width: int, last: bool, gradient: bool, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height)).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    with torch.set_grad_enabled(gradient):
        assert torch.equal(max_pool(x), F.max_pool2d(x, 2))
