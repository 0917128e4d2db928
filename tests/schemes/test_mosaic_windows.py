"""Windows of a mosaic give what the whole mosaic gives, seams and edges included, and read little of the picture."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from unnoise.layers.polyphase import merge_mosaic, split_mosaic
from unnoise.regions import RegionSource
from unnoise.schemes.mosaic_windows import MAX_GAP_PIXELS, restore_mosaic_region


def _network(reach: int) -> nn.Module:
    torch.manual_seed(0)
    first, second = nn.Conv2d(2, 3, 2 * reach - 1, padding=reach - 1), nn.Conv2d(3, 2, 3, padding=1)
    return nn.Sequential(first, nn.Tanh(), second).double()


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, tuple[slice, slice], int, int]:
    stride = draw(st.integers(2, 5))
    size = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    part = []
    for length in size:
        steps = -(-length // stride)
        first = draw(st.integers(0, steps - 1))
        part.append(slice(first * stride, min(draw(st.integers(first + 1, steps)) * stride, length)))
    return torch.rand(1, 2, *size, dtype=torch.float64), (part[0], part[1]), stride, draw(st.integers(0, 3))


def _by_windows(
    case: tuple[Tensor, tuple[slice, slice], int, int], reach: int, sees: int, multiple: int = 1
) -> tuple[Tensor, Tensor]:
    picture, part, stride, border = case
    network = _network(reach)
    with torch.no_grad():
        whole = network(split_mosaic(picture, stride, border))
        expected = merge_mosaic(whole, stride, border, size=(picture.shape[-2], picture.shape[-1]))
        return restore_mosaic_region(
            lambda x, place: network(x)[..., *place], RegionSource.of(picture), part, stride, border, sees, multiple
        ), expected[..., *part]


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 6), st.integers(1, 4))
def test_a_window_is_a_part_of_the_whole(case: tuple[Tensor, tuple[slice, slice], int, int], reach: int, multiple: int) -> None:
    result, expected = _by_windows(case, reach, reach, multiple)
    assert torch.allclose(result, expected, rtol=0, atol=1e-12)


def test_a_window_that_is_a_pixel_too_narrow_is_not() -> None:
    """So the test above could fail."""
    case = (torch.rand(1, 2, 40, 40, dtype=torch.float64), (slice(10, 20), slice(20, 30)), 2, 2)
    assert not torch.allclose(*_by_windows(case, 4, 3), rtol=0, atol=1e-12)


def test_little_is_read() -> None:
    """At the picture's edge a stripe of the opposite edge, and nothing between."""
    stride, border, reach, read = 2, 2, 5, []
    picture = torch.rand(1, 2, 1000, 1000)
    view = RegionSource((1000, 1000), lambda rows, columns: read.append((rows, columns)) or picture[..., rows, columns])  # type: ignore[func-returns-value]
    restore_mosaic_region(lambda x, place: x[..., *place], view, (slice(0, 20), slice(500, 520)), stride, border, reach, 1)
    rows = sum(stop - start for start, stop in {(part[0].start, part[0].stop) for part in read})
    columns = sum(stop - start for start, stop in {(part[1].start, part[1].stop) for part in read})
    assert columns <= 20 + 2 * stride * reach
    assert 20 + stride * reach < rows <= 20 + 2 * stride * reach + MAX_GAP_PIXELS
