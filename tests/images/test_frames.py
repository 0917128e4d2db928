"""Stacks and channels become single pictures, whatever file or array they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.frames import SinglePicture, open_stack, pictures_of, sample_pictures, spread

STACK = np.random.default_rng(0).integers(0, 4095, (5, 2, 12, 17), dtype=np.uint16)
"""(T, C, Y, X)."""


def _ome_tiff(path: Path) -> tuple[Path, str | None]:
    tifffile.imwrite(path / "a.ome.tif", STACK, metadata={"axes": "TCYX"}, ome=True)
    return path / "a.ome.tif", None


def _npy(path: Path) -> tuple[Path, str | None]:
    np.save(path / "a.npy", STACK)
    return path / "a.npy", "TCYX"


def _zarr(path: Path) -> tuple[Path, str | None]:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=STACK)
    axes = [{"name": name, "type": kind} for name, kind in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    return path / "a.zarr", None


def _all(source: Path | NDArray[np.uint16], axes: str | None) -> list[SinglePicture]:
    with open_stack(source, axes=axes) as stack:
        return [one for number in range(len(stack)) for one in pictures_of(stack[number], number)]


@pytest.mark.parametrize("make", [_ome_tiff, _npy, _zarr])
def test_every_channel_of_every_frame_comes_once(make: Callable[[Path], tuple[Path, str | None]], tmp_path: Path) -> None:
    path, axes = make(tmp_path)
    found = [one.pixels for one in _all(path, axes)]
    assert np.array_equal(np.stack(found), STACK.reshape(-1, 12, 17))


def test_an_array_gives_the_same_as_its_file(tmp_path: Path) -> None:
    path, axes = _npy(tmp_path)
    for one, other in zip(_all(path, axes), _all(STACK, axes), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert (one.frame, one.channel, one.colours) == (other.frame, other.channel, other.colours)
    assert {one.channel for one in _all(path, axes)} == {0, 1}


def test_pages_are_frames_and_colors_stay_together(tmp_path: Path) -> None:
    pages = np.random.default_rng(1).integers(0, 255, (3, 9, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb")
    assert [one.pixels.shape for one in _all(tmp_path / "a.tif", None)] == [(9, 8, 3)] * 3
    np.save(tmp_path / "a.npy", pages)
    assert np.array_equal(np.stack([one.pixels for one in _all(tmp_path / "a.npy", None)]), pages)


def test_alpha_is_left_out() -> None:
    assert [one.pixels.shape for one in _all(np.zeros((6, 7, 4), np.uint8), None)] == [(6, 7, 3)]
    assert [one.pixels.shape for one in _all(np.zeros((6, 7, 2), np.uint8), None)] == [(6, 7)]


@pytest.mark.parametrize("array", [np.zeros((9, 20, 20), np.uint16), np.zeros((0, 4), np.uint8), np.zeros((4, 4), bool)])
def test_arrays_that_are_no_pictures_are_refused(array: NDArray[np.uint16]) -> None:
    with pytest.raises(UsageError, match=r"axes='ZYX'|no pixels|holds bool"):
        open_stack(array)


@given(st.integers(1, 500), st.integers(1, 40))
def test_a_sample_is_spread_evenly(count: int, most: int) -> None:
    found = spread(count, most)
    assert len(found) == min(count, most)
    assert found == sorted(set(found))
    assert 0 <= found[0] <= found[-1] < count
    steps = np.diff([-found[0] - 1, *found])
    assert count <= most or steps.max() - steps[1:].min(initial=steps.max()) <= max(2, count // most)


def test_sources_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "b.tif").write_bytes(b"no picture")
    path, _ = _ome_tiff(tmp_path)
    errors: list[UnnoiseError] = []
    found = list(sample_pictures([path, tmp_path / "b.tif"], 4, on_error=errors.append))
    assert [(one.frame, one.channel) for one in found] == [
        (2, None),
        (7, None),
    ]  # pages of a TIFF are frames, whatever they count
    assert len(errors) == 1
    assert "b.tif" in str(errors[0])
