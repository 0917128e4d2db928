"""Scratch pixels on the disk equal those of an array, whatever is written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import images
from unnoise.errors import UnnoiseError
from unnoise.images import Picture, Scratch, read, scratch, write


@pytest.fixture(autouse=True)
def _everything_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)


def part(data: st.DataObject, length: int) -> slice:
    first, last = sorted(data.draw(st.tuples(st.integers(0, length), st.integers(0, length + 3))))
    return slice(first, last)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_as_an_array(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(7, 5), (6, 4, 3), (1, 9, 2)]))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float64"]))
    whole = np.zeros(shape, dtype)
    with Scratch(shape, dtype) as pixels:
        for value in range(1, 6):
            window = part(data, shape[0]), part(data, shape[1])
            tile = (np.arange(whole[window].size) * value).reshape(whole[window].shape).astype(dtype)
            pixels[window] = tile
            whole[window] = tile
            seen = part(data, shape[0]), part(data, shape[1])
            np.testing.assert_array_equal(pixels.region(*seen), whole[seen], strict=True)
        np.testing.assert_array_equal(pixels.array(), whole)
        np.testing.assert_array_equal(pixels[...], whole)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_files_pass_through_the_disk(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 40, 3), np.uint8)
    write(tmp_path / f"a{suffix}", Picture(pixels))
    aside = read(tmp_path / f"a{suffix}").pixels
    monkeypatch.setattr(scratch, "IN_MEMORY", 2**26)
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, aside)
    write(tmp_path / f"b{suffix}", Picture(pixels))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_nothing_is_left_and_nothing_is_seen(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Picture(np.zeros((9, 9), np.uint8)))
    with images.open(tmp_path / "a.png") as source, images.create(tmp_path / "b.png", source) as target:
        target.add(source[0])[0:3] = source[0][0:3]
        assert {path.name for path in tmp_path.iterdir()} == {"a.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_a_full_disk_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UnnoiseError, match=r"no room for 0\.0 GiB of pixels in .*No space left.*TMPDIR"):
        Scratch((3, 4), "uint8")


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_narrow_windows_of_wide_pictures(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(7, 50), (6, 40, 3)]))
    whole = np.random.default_rng(0).integers(0, 99, shape, np.uint16)
    with pytest.MonkeyPatch.context() as patch, Scratch(shape, "uint16") as pixels:
        patch.setattr(scratch, "STRIP_BYTES", 0)
        pixels[...] = whole
        left = data.draw(st.integers(0, 45))
        window = part(data, 7), slice(left, left + data.draw(st.integers(0, 9)))
        np.testing.assert_array_equal(pixels.region(*window), whole[window], strict=True)
        whole[window] += 7
        pixels[window] = whole[window]
        np.testing.assert_array_equal(pixels[...], whole)
