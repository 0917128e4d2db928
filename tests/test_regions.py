"""Views of a picture, flipped and turned, against torch's own flips and turns."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.layers.polyphase import split_batch
from unnoise.regions import RegionSource, dilate, downsample_region, flip_region, relative_to, rotate_region, tile_grid


@st.composite
def pictures_and_parts(draw: st.DrawFn) -> tuple[torch.Tensor, tuple[slice, slice]]:
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    stretches = []
    for length in size:
        start = draw(st.integers(0, length - 1))
        stretches.append(slice(start, draw(st.integers(start + 1, length))))
    return torch.rand(1, 2, *size), (stretches[0], stretches[1])


@given(pictures_and_parts(), st.booleans(), st.integers(0, 5))
def test_turned_views_read_turned_pictures(case: tuple[torch.Tensor, tuple[slice, slice]], flip: bool, turns: int) -> None:
    picture, part = case
    wanted, view, place = picture, RegionSource.of(picture), part
    result = picture[..., *part]
    if flip:
        wanted, place, view, result = wanted.flip(-1), flip_region(place, view.size), view.flip(), result.flip(-1)
    for _ in range(turns):
        place, view = rotate_region(place, view.size), view.rotate()
    wanted, result = torch.rot90(wanted, turns, (-2, -1)), torch.rot90(result, turns, (-2, -1))
    assert view.size == tuple(wanted.shape[-2:])
    assert torch.equal(view.read(slice(0, view.size[0]), slice(0, view.size[1])), wanted)
    assert torch.equal(view.read(*place), result)


@given(pictures_and_parts(), st.integers(0, 9), st.integers(1, 5))
def test_grown_parts_hold_their_part_and_what_is_around(
    case: tuple[torch.Tensor, tuple[slice, slice]], by: int, multiple: int
) -> None:
    picture, part = case
    size = (picture.shape[-2], picture.shape[-1])
    around = dilate(part, by, size, multiple)
    for inner, outer, length in zip(part, around, size, strict=True):
        assert 0 <= outer.start <= max(0, inner.start - by)
        assert min(length, inner.stop + by) <= outer.stop <= length
        assert outer.start % multiple == 0
        assert outer.stop % multiple == 0 or outer.stop == length
        assert outer.stop - outer.start < inner.stop - inner.start + 2 * (by + multiple)
    assert torch.equal(picture[..., *around][..., *relative_to(part, around)], picture[..., *part])


@given(pictures_and_parts(), st.integers(1, 4))
def test_a_part_in_coarser_steps_is_its_share_of_each_component(
    case: tuple[torch.Tensor, tuple[slice, slice]], step: int
) -> None:
    picture, part = case
    around = dilate(part, 0, (picture.shape[-2], picture.shape[-1]), step)
    share = split_batch(picture, step)[..., *downsample_region(around, step)]
    assert torch.equal(share, split_batch(picture[..., *around], step))


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(1, 40), st.integers(1, 5))
def test_parts_cover_each_pixel_once_and_begin_at_multiples(size: tuple[int, int], side: int, multiple: int) -> None:
    covered = torch.zeros(size)
    for rows, columns in tile_grid(size, side, multiple):
        covered[rows, columns] += 1
        assert rows.start % multiple == columns.start % multiple == 0
        assert max(rows.stop - rows.start, columns.stop - columns.start) < side + multiple
    assert (covered == 1).all()
